//! Client certificates as proxies tell of them: vectors, and what holds for every input.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking"
)]

mod support;

use mandate_core::denial::ForwardedCertificateProblem as Error;
use mandate_core::http::ClientCertificate;
use mandate_core::limits;
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use support::{unb64, vectors};

const HASH: &str = "468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688";
const OTHER: &str = "568ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688";

fn forwarded(header: &str) -> Result<Option<ClientCertificate>, Error> {
    ClientCertificate::forwarded([header.as_bytes()])
}

#[test]
fn a_header_that_does_not_name_one_certificate_is_refused() {
    let hash = format!("Hash={HASH}");
    for (header, error) in [
        (String::new(), Error::Malformed),
        ("Hash".to_owned(), Error::Malformed),
        ("=a".to_owned(), Error::Malformed),
        (HASH.to_owned(), Error::Malformed),
        (format!(" {hash}"), Error::Malformed),
        (format!("{hash};"), Error::Malformed),
        (format!(";{hash}"), Error::Malformed),
        (format!("{hash};;By=a"), Error::Malformed),
        (format!("{hash}; By=a"), Error::Malformed),
        (format!("{hash};By =a"), Error::Malformed),
        (format!("{hash};B-y=a"), Error::Malformed),
        (format!("{hash};Subject=\"a"), Error::Malformed),
        (format!("{hash};Subject=\"a\\\""), Error::Malformed),
        (format!("{hash};Subject=\"a\"b"), Error::Malformed),
        (format!("{hash};Subject=a\"b\""), Error::Malformed),
        (format!("{hash};Subject=\"a\nb\""), Error::Malformed),
        (format!("{hash};URI=a\tb"), Error::Malformed),
        // The digest.
        ("By=a".to_owned(), Error::Digest),
        ("Hash=".to_owned(), Error::Digest),
        (format!("Hash={}", &HASH[1..]), Error::Digest),
        (format!("Hash=0{HASH}"), Error::Digest),
        (format!("Hash=g{}", &HASH[1..]), Error::Digest),
        (format!("Hash=+{}", &HASH[1..]), Error::Digest),
        (format!("Hash= {HASH}"), Error::Digest),
        (format!("{hash};{hash}"), Error::Digest),
        (format!("{hash};hash={OTHER}"), Error::Digest),
        // A certificate whose own name looks like the next pair.
        (format!("{hash};URI=spiffe://td/a;Hash={OTHER}"), Error::Digest),
        // Several elements.
        (format!("{hash},"), Error::Several),
        (format!("{hash},{hash}"), Error::Several),
        (format!("{hash};URI=spiffe://td/a,Hash={OTHER}"), Error::Several),
        (format!("{hash};Subject=\"CN=a\",Hash={OTHER}"), Error::Several),
        (format!("{hash};URI={}", "a".repeat(limits::FORWARDED_CERTIFICATE_BYTES)), Error::TooLong),
    ] {
        assert_eq!(forwarded(&header), Err(error), "{header}");
    }
    let two = [hash.as_bytes(), hash.as_bytes()];
    assert_eq!(ClientCertificate::forwarded(two), Err(Error::Several));
}

#[test]
fn what_stands_in_quotes_is_no_separator() {
    let uri = Some("spiffe://td/a".to_owned());
    for header in [
        format!("Hash={HASH};URI=spiffe://td/a"),
        format!("hash={HASH};uri=spiffe://td/a"),
        format!("By=spiffe://td/proxy;Hash={HASH};Subject=\"CN=a;Hash={OTHER},URI=b\";URI=spiffe://td/a"),
        format!("Subject=\"CN=\\\",Hash={OTHER}\\\\\";Hash={HASH};URI=\"spiffe://td/a\""),
        format!("Hash=\"{}\";URI=spiffe://td/a;DNS=a;DNS=b;X=", HASH.to_uppercase()),
        format!("Hash={HASH};Cert=\"-----BEGIN%20CERTIFICATE\";Chain=\"\";By=;By=b;URI=spiffe://td/a"),
    ] {
        let read = forwarded(&header).unwrap().unwrap();
        let digest: String = read.digest().iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!((digest.as_str(), read.uri().map(str::to_owned)), (HASH, uri.clone()), "{header}");
    }
    assert_eq!(ClientCertificate::forwarded([]), Ok(None));
}

#[test]
fn a_certificate_with_several_uris_or_none_names_no_workload() {
    for uris in ["", ";URI=", ";URI=spiffe://td/a;URI=spiffe://td/b", ";URI=;URI=spiffe://td/b"] {
        let read = forwarded(&format!("Hash={HASH}{uris}")).unwrap().unwrap();
        assert_eq!(read.uri(), None, "{uris}");
    }
}

#[test]
fn the_documented_headers_are_read() {
    for example in vectors::xfcc()["examples"].as_array().unwrap() {
        let header = example["header"].as_str().unwrap();
        let read = forwarded(header);
        if example["elements"] == 1 {
            let (hash, uri) = (example["hash"].as_str().unwrap(), example["uri"][0].as_str());
            let same = ClientCertificate::of_connection(hash.as_bytes(), uri.unwrap().as_bytes()).unwrap();
            assert_eq!(read, Ok(Some(same)), "{header}");
        } else {
            assert_eq!(read, Err(Error::Several), "{header}");
        }
    }
}

#[test]
fn a_connection_without_a_digest_has_no_certificate() {
    for digest in ["", "0", &HASH[2..], "not hexadecimal", &format!("{HASH}00")] {
        assert_eq!(ClientCertificate::of_connection(digest.as_bytes(), b""), None, "{digest}");
    }
}

#[test]
fn the_digest_of_a_published_certificate_is_its_thumbprint() {
    let certificate = &vectors::rfc8705()["certificate"];
    let hex = certificate["sha256_hex"].as_str().unwrap();
    let read = ClientCertificate::of_connection(hex.as_bytes(), b"").unwrap();
    assert_eq!(read.digest().as_slice(), unb64(certificate["x5t#S256"].as_str().unwrap()));
    let der = base64::Engine::decode(
        &base64::engine::general_purpose::STANDARD,
        certificate["der_base64"].as_str().unwrap(),
    );
    assert_eq!(read.digest().as_slice(), Sha256::digest(der.unwrap()).as_slice());
}

proptest! {
    #[test]
    fn no_header_is_read_as_another_certificate(header in "(Hash|URI|By|,|;|=|\"|\\\\|[0-9a-f]{64}|[ -~]){0,12}") {
        // Whatever a client makes its certificate say, behind the digest that the proxy writes first.
        let header = format!("Hash={HASH};URI={header}");
        if let Ok(Some(read)) = forwarded(&header) {
            let plain = ClientCertificate::of_connection(HASH.as_bytes(), b"").unwrap();
            prop_assert_eq!(read.digest(), plain.digest());
        }
    }

    #[test]
    fn no_bytes_are_too_much(values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..3)) {
        drop(ClientCertificate::forwarded(values.iter().map(Vec::as_slice)));
    }

    #[test]
    fn what_a_proxy_writes_is_read_back(digest in prop::array::uniform32(any::<u8>()), subject in "[^\"\\\\\\x00-\\x1f\\x7f]{0,40}") {
        let hex: String = digest.iter().map(|octet| format!("{octet:02x}")).collect();
        let read = forwarded(&format!("By=a;Hash={hex};Subject=\"{subject}\";URI=spiffe://td/a")).unwrap().unwrap();
        prop_assert_eq!((*read.digest(), read.uri()), (digest, Some("spiffe://td/a")));
    }
}
