//! A response, of an upstream or of a service that the filter called.

use crate::header::Headers;

/// A whole HTTP response.
///
/// ```
/// use mandate_harness::Response;
///
/// let response = Response::new(200, "[]").header("content-type", "application/json");
/// assert_eq!(response.headers.text(":status"), Some("200"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// The headers, `:status` included.
    pub headers: Headers,
    /// The body. With an empty one, the headers (or the trailers) end the stream.
    pub body: Vec<u8>,
    /// The trailers, if any, which end the stream.
    pub trailers: Option<Headers>,
}

impl Response {
    /// A response with this status and body.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let headers = Headers::from_iter([(":status", status.to_string())]);
        Self { headers, body: body.into(), trailers: None }
    }

    /// The same response with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.add(name, value);
        self
    }

    /// The same response with one more trailer.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.trailers.get_or_insert_default().add(name, value);
        self
    }
}
