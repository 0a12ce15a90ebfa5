//! A request to send through a filter.

use crate::header::Headers;

/// A whole HTTP request, pseudo-headers included, as a filter in Envoy sees it.
///
/// ```
/// use mandate_harness::Request;
///
/// let request = Request::new("POST", "/v1/tickets").header("content-type", "application/json").body("{}");
/// assert_eq!(request.headers[0], (":method".to_owned(), b"POST".to_vec()));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The headers in order. Names may be in any case; Envoy lower-cases them.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body; `None` ends the stream with the headers (or the trailers).
    pub body: Option<Vec<u8>>,
    /// The trailers, which end the stream.
    pub trailers: Option<Vec<(String, Vec<u8>)>>,
    /// Properties of this request alone, by dotted path.
    pub properties: Vec<(String, Vec<u8>)>,
}

impl Request {
    /// A request with `:method`, `:path`, `:authority` (`tools.example`) and `:scheme` (`https`).
    #[must_use]
    pub fn new(method: &str, path: &str) -> Self {
        Self::default()
            .header(":method", method)
            .header(":path", path)
            .header(":authority", "tools.example")
            .header(":scheme", "https")
    }

    /// `GET` of a path.
    #[must_use]
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// The same request with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The same request with this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// The same request with one more trailer.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.trailers.get_or_insert_default().push((name.to_owned(), value.into()));
        self
    }

    /// The same request with one more property.
    #[must_use]
    pub fn property(mut self, path: &str, value: impl Into<Vec<u8>>) -> Self {
        self.properties.push((path.to_owned(), value.into()));
        self
    }

    /// The headers as a filter sees them.
    #[must_use]
    pub fn header_map(&self) -> Headers {
        self.headers.iter().map(|(name, value)| (name, value.as_slice())).collect()
    }
}
