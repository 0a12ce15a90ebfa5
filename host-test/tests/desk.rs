//! The desk runtime: tokens, issuer, upstream, client, and a real Envoy.

#[cfg(test)]
mod desk {
    mod client;
    mod envoy;
    mod servers;
    mod streams;
    mod tokens;
}
