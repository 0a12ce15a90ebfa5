//! The request as HTTP has it: its head, its headers, its path, its host, and which of them other programs read otherwise.

mod certificate;
mod head;
mod headers;
mod host;
mod path;
mod reserved;
mod uri;

pub use certificate::ClientCertificate;
pub use head::connection::Connection;
pub use head::credential::{Credential, Scheme};
pub use head::{RequestHead, WORKLOAD_TOKEN, is_plain_method};
pub use headers::Headers;
pub use host::{Host, HostPattern, HostPatternError};
pub use path::{NormalPath, PathPrefix};
pub(crate) use path::{fold, may_fold};
pub use reserved::{OWN_PREFIX, RESERVED, ReservedHeaders, Takes, WITH_HOSTS, may_be_passed_on, reads_alike};
pub use uri::{Address, ExternalUri};
