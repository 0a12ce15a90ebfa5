//! How a test sees that an answer is passed on as it comes.

use mandate_host::client::{Request, StreamingBody, stream};
use mandate_host::upstream::EventSource;
use std::net::SocketAddr;
use std::time::Duration;

/// How long an event may take that was sent already; one that is held back never comes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks for the event source through a gateway: each event must arrive before the next one is sent.
pub fn assert_streams(gateway: SocketAddr, request: &Request, events: &EventSource) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut answer = stream(gateway, request).await.expect("the head, before the answer ends");
        assert_eq!(answer.status, 200);
        let kind = ("content-type".to_owned(), b"text/event-stream".to_vec());
        assert!(answer.headers.contains(&kind), "{:?}", answer.headers);
        assert_eq!(event(&mut answer.body).await, "data: open\n\n");
        for text in ["second", "third"] {
            events.send(text);
            assert_eq!(event(&mut answer.body).await, format!("data: {text}\n\n"));
        }
        events.end();
        assert_eq!(event(&mut answer.body).await, "", "the end");
    });
}

/// Bytes up to the end of an event or of the answer.
async fn event(body: &mut StreamingBody) -> String {
    let mut text = String::new();
    let reading = async {
        while !text.ends_with("\n\n")
            && let Some(bytes) = body.next().await.unwrap()
        {
            text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("held back"));
    text
}
