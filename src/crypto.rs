//! The provider of cryptography that every TLS connection uses, in and out.

/// Sets the provider; doing it again changes nothing.
pub fn install() {
    // It fails only when a provider is set already, and every provider of this program is this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
