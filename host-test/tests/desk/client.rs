use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

use mandate_host::client::{ClientError, Request, blocking};

/// Takes one connection, reads until the end of the head, answers these bytes and returns what it read.
fn scripted(answer: &'static [u8]) -> (SocketAddr, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut read = Vec::new();
        let mut buffer = [0; 1024];
        while !read.windows(4).any(|w| w == b"\r\n\r\n") {
            let count = stream.read(&mut buffer).unwrap();
            assert_ne!(count, 0, "the client closed early");
            read.extend_from_slice(&buffer[..count]);
        }
        stream.write_all(answer).unwrap();
        read
    });
    (address, server)
}

const EMPTY: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

#[test]
fn a_request_goes_out_exactly_as_written() {
    let (address, server) = scripted(EMPTY);
    let request = Request::new("GET", b"//a/../b#c \xff\"".to_vec())
        .header("Host", "h")
        .header("X-A", b"\x80\xff".to_vec())
        .header("X-A", "  twice")
        .header("authorization", "Bearer x");
    assert_eq!(blocking::send(address, &request).unwrap().status, 204);
    assert_eq!(
        server.join().unwrap(),
        b"GET //a/../b#c \xff\" HTTP/1.1\r\nHost: h\r\nX-A: \x80\xff\r\nX-A:   twice\r\n\
          authorization: Bearer x\r\nconnection: close\r\n\r\n"
    );
}

#[test]
fn any_bytes_may_be_sent() {
    let (address, server) = scripted(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\nno");
    let answer = blocking::send_bytes(address, b"HELO\r\n\r\n".to_vec()).unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (400, "no"));
    assert_eq!(server.join().unwrap(), b"HELO\r\n\r\n");
}

#[test]
fn every_framing_of_a_body_is_read() {
    for answer in [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n".as_slice(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\n\r\nabc",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
    ] {
        let (address, server) = scripted(answer);
        assert_eq!(blocking::send(address, &Request::get("/")).unwrap().body, b"abc");
        server.join().unwrap();
    }
    let (address, server) = scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n");
    assert!(blocking::send(address, &Request::new("HEAD", "/")).unwrap().body.is_empty());
    server.join().unwrap();
}

#[test]
fn an_answer_that_is_none_is_an_error() {
    for answer in [b"".as_slice(), b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"] {
        let (address, server) = scripted(answer);
        assert!(matches!(blocking::send(address, &Request::get("/")), Err(ClientError::Answer(_))));
        server.join().unwrap();
    }
}

#[test]
fn a_kept_connection_refuses_what_hyper_cannot_express() {
    let upstream = mandate_host::upstream::Upstream::start().unwrap();
    let refused = |request: Request| blocking::send_all(upstream.address(), &[request]);
    assert!(matches!(refused(Request::get("/a#b")), Err(ClientError::Refused("the path"))));
    assert!(matches!(refused(Request::get("/a b")), Err(ClientError::Refused("the path"))));
    assert!(matches!(refused(Request::new("G T", "/")), Err(ClientError::Refused("the method"))));
    assert!(matches!(
        refused(Request::get("/").header("a b", "")),
        Err(ClientError::Refused("a header name"))
    ));
    assert!(matches!(
        refused(Request::get("/").header("a", "\n")),
        Err(ClientError::Refused("a header value"))
    ));
    assert_eq!(upstream.requests(), 0);
}
