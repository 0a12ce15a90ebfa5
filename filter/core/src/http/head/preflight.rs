//! CORS preflights (Fetch Standard, section 3.3.2).

use super::{RequestHead, is_plain_method};

impl RequestHead {
    /// The method that a CORS preflight asks for (Fetch Standard, section 3.3.2). `None` for any other request: one that has
    /// a credential or a body, or asks for an upgrade, is no preflight.
    #[must_use]
    pub fn preflight_method(&self) -> Option<&str> {
        if self.method() != "OPTIONS" || self.authorization.is_some() || self.upgrade || self.body {
            return None;
        }
        let one = |name: &'static str| {
            let mut values = self.values(name.as_bytes());
            values.next().filter(|_| values.next().is_none())
        };
        let has_body = self.values(b"content-length").any(|length| length != b"0")
            || self.values(b"transfer-encoding").next().is_some();
        one("origin").filter(|origin| !origin.is_empty() && !has_body)?;
        let method = one("access-control-request-method")?;
        std::str::from_utf8(method).ok().filter(|_| is_plain_method(method))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_true_preflight_is_one() {
        let origin = ("origin", "https://app.example");
        let asks = ("access-control-request-method", "POST");
        let method = |method: &str, headers: &[(&str, &str)]| {
            let all = [&[(":method", method)], headers].concat();
            RequestHead::new(all).preflight_method().map(str::to_owned)
        };
        assert_eq!(method("OPTIONS", &[origin, asks]), Some("POST".to_owned()));
        let with_body = RequestHead::new(vec![(":method", "OPTIONS"), origin, asks]).with_body(true);
        assert_eq!(with_body.preflight_method(), None);
        assert_eq!(method("OPTIONS", &[origin, asks, ("content-length", "0")]), Some("POST".to_owned()));
        for (verb, headers) in [
            ("POST", vec![origin, asks]),
            ("OPTIONS", vec![origin]),
            ("OPTIONS", vec![asks]),
            ("OPTIONS", vec![origin, asks, asks]),
            ("OPTIONS", vec![origin, origin, asks]),
            ("OPTIONS", vec![("origin", ""), asks]),
            ("OPTIONS", vec![origin, ("access-control-request-method", "post")]),
            ("OPTIONS", vec![origin, asks, ("authorization", "Bearer x")]),
            ("OPTIONS", vec![origin, asks, ("content-length", "1")]),
            ("OPTIONS", vec![origin, asks, ("transfer-encoding", "chunked")]),
            ("OPTIONS", vec![origin, asks, ("upgrade", "websocket"), ("connection", "upgrade")]),
        ] {
            assert_eq!(method(verb, &headers), None, "{verb} {headers:?}");
        }
    }
}
