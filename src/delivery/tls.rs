//! What outgoing connections trust: the system's roots, Mozilla's where the system has none.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

/// Makes ring the one TLS provider of the process. Safe to call more than once.
pub fn install_provider() {
    // An error says only that a provider is installed already.
    let _ = ring::default_provider().install_default();
}

/// The system's root certificates; empty in a container that has none.
pub fn system_roots() -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_native_certs().certs
}

/// The settings of a TLS client that may speak HTTP/2.
///
/// # Errors
/// When the provider offers no safe protocol version, which would be a build error of ours.
pub fn http_config() -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(system_roots());
    if added == 0 {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
