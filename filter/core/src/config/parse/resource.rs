//! `protected_resources`.

use super::super::reader::Node;
use super::super::{ProtectedResource, ResourceUrl, checks};
use crate::limits;
use std::cell::RefCell;

pub(super) fn protected_resources(node: &Node<'_>) -> Option<Vec<ProtectedResource>> {
    let earlier = RefCell::default();
    node.list(0..=limits::PROTECTED_RESOURCES, |node| protected_resource(node, &earlier))
}

fn protected_resource(node: &Node<'_>, earlier: &RefCell<Vec<ResourceUrl>>) -> Option<ProtectedResource> {
    let mut object = node.object()?;
    let resource = object.required("resource", |node| {
        let resource = checks::resource_url(node)?;
        let mut earlier = earlier.borrow_mut();
        if earlier.iter().any(|known| known.is_same_place(&resource)) {
            return node.refuse("is, without its port, an earlier one: hosts are compared without port");
        }
        earlier.push(resource.clone());
        Some(resource)
    });
    let authorization_servers = object.required("authorization_servers", |node| {
        node.set(1..=limits::SMALL_LIST, checks::server_url, PartialEq::eq)
    });
    let scopes_supported = object.defaulted("scopes_supported", Vec::new, |node| {
        node.set(0..=limits::SCOPES, checks::scope, PartialEq::eq)
    });
    let resource_name = object.optional("resource_name", checks::display_name);
    let resource_documentation = object.optional("resource_documentation", checks::documentation_url);
    object.finish();
    Some(ProtectedResource {
        resource: resource?,
        authorization_servers: authorization_servers?,
        scopes_supported: scopes_supported?,
        resource_name: resource_name?,
        resource_documentation: resource_documentation?,
    })
}
