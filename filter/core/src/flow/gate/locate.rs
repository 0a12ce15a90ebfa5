//! Finding the route of a request.

use super::Gate;
use crate::config::Preflight;
use crate::decision::{Answer, Facts};
use crate::denial::{Denial, Evidence};
use crate::http::{Connection, NormalPath, RequestHead, WORKLOAD_TOKEN};
use crate::reason::Reason;
use crate::routes::{MatchedRoute, Target};
use std::rc::Rc;

/// A request that is denied, and what was known of it by then.
pub(in crate::flow) struct Denied {
    pub(in crate::flow) facts: Facts,
    pub(in crate::flow) denial: Denial,
}

/// A request whose route is found.
pub(in crate::flow) struct Located {
    pub(in crate::flow) path: NormalPath,
    pub(in crate::flow) connection: Connection,
    pub(in crate::flow) route: Rc<MatchedRoute>,
    pub(in crate::flow) preflight: bool,
}

/// What a request is for.
pub(in crate::flow) enum Place {
    Route(Located),
    /// What the filter itself answers with.
    Metadata(Box<Facts>, Answer),
}

impl From<Located> for Facts {
    fn from(Located { path, connection, route, .. }: Located) -> Self {
        Self { path: Some(path), connection, route: Some(route), ..Self::default() }
    }
}

/// What this gateway decides by, and removes: nobody else may be told to drop it first.
fn is_credential(name: &[u8]) -> bool {
    let credentials = ["authorization", "dpop", WORKLOAD_TOKEN];
    credentials.iter().any(|credential| name.eq_ignore_ascii_case(credential.as_bytes()))
}

impl Gate {
    /// The route for a request, found by host, path and method; for a preflight by the method that it asks for. Before that, the
    /// metadata of a protected resource.
    pub(in crate::flow) fn locate(&self, head: &RequestHead) -> Result<Place, Box<Denied>> {
        let mut facts = Facts::default();
        let kept = |name: &[u8]| {
            let is_chain = |header: &str| name.eq_ignore_ascii_case(header.as_bytes());
            is_credential(name) || self.reserved.contains(name) || self.config.chain_headers().any(is_chain)
        };
        match head.connection(kept) {
            Ok(connection) => facts.connection = connection,
            Err(denial) => return Err(Box::new(Denied { facts, denial })),
        }
        let path = match NormalPath::normalise(head.path()) {
            Ok(path) => path,
            Err(problem) => {
                let denial = Denial::new(Reason::PathInvalid, Evidence::Path { problem });
                return Err(Box::new(Denied { facts, denial }));
            }
        };
        if let Some(answer) = self.metadata(head, &path) {
            return Ok(Place::Metadata(Box::new(Facts { path: Some(path), ..facts }), answer));
        }
        match self.find_route(head, &path) {
            Ok((route, preflight)) => {
                let (connection, route) = (facts.connection, Rc::clone(route));
                Ok(Place::Route(Located { path, connection, route, preflight }))
            }
            Err(denial) => {
                let facts = Facts { path: Some(path), ..facts };
                Err(Box::new(Denied { facts, denial }))
            }
        }
    }

    /// The metadata that a request asks for, or that a preflight that would pass asks to be allowed to ask for. Every other method goes
    /// its usual way.
    fn metadata(&self, head: &RequestHead, path: &NormalPath) -> Option<Answer> {
        let metadata = self.resources.find(head, path)?;
        let asks_for = self.preflight_method(head);
        let is_read = matches!(asks_for.unwrap_or_else(|| head.method()), "GET" | "HEAD");
        is_read.then(|| Answer { metadata: Rc::clone(metadata), is_preflight: asks_for.is_some() })
    }

    /// The method that a preflight asks for, where preflights pass.
    fn preflight_method<'a>(&self, head: &'a RequestHead) -> Option<&'a str> {
        match self.config.preflight {
            Preflight::Pass => head.preflight_method(),
            Preflight::Deny => None,
        }
    }

    /// The route, and whether the request is a preflight that passes.
    fn find_route(&self, head: &RequestHead, path: &NormalPath) -> Result<(&Rc<MatchedRoute>, bool), Denial> {
        if !head.has_plain_method() {
            return Err(Denial::new(Reason::RouteUnmatched, Evidence::Method));
        }
        let host = if self.matches_hosts { head.host() } else { None };
        if self.matches_hosts && host.is_none() {
            // Not even a route without hosts: it could be meant for any other.
            return Err(Denial::new(Reason::RouteUnmatched, Evidence::Host));
        }
        let asks_for = self.preflight_method(head);
        let target = Target { method: asks_for.unwrap_or_else(|| head.method()), host: host.as_ref(), path };
        let route = self.routes.find(target).ok_or_else(|| {
            let host = host.as_ref().map(|host| host.as_str().into());
            Denial::new(Reason::RouteUnmatched, Evidence::Route { host })
        })?;
        match self.routes.stricter_in_another_case(target, route) {
            Some(like_route) => {
                let evidence = Evidence::PathCase { like_route, matched_route: route.index() };
                Err(Denial::new(Reason::PathInvalid, evidence))
            }
            None => Ok((route, asks_for.is_some())),
        }
    }
}
