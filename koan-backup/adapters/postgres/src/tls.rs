//! TLS with `rustls`, so that no system library is needed.

use std::path::Path;
use std::sync::Arc;

use koan_backup_core::{Error, ErrorKind, Result, read_bounded};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::{Address, Protection};

/// The maximum size of a file with root certificates.
const MAX_CERTIFICATE_FILE_BYTES: u64 = 4 << 20;

/// Creates the TLS connector for `address`.
pub(super) fn connector(address: &Address) -> Result<MakeRustlsConnect> {
    let provider = Arc::new(ring::default_provider());
    let versions = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| {
            Error::with_source(ErrorKind::Configuration, "TLS cannot be set up on this machine", error)
        })?;
    let config = match address.protection {
        Protection::Verify => versions.with_root_certificates(roots(address)?).with_no_client_auth(),
        Protection::Disable | Protection::Prefer | Protection::Require => versions
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate { provider }))
            .with_no_client_auth(),
    };
    Ok(MakeRustlsConnect::new(config))
}

/// Loads the root certificates from the configured file, or from the system if no file is configured.
fn roots(address: &Address) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    match &address.root_certificate {
        Some(path) => {
            let unreadable = |reason: String| {
                Error::new(
                    ErrorKind::Configuration,
                    format!("the root certificate `{path}` of PostgreSQL cannot be used: {reason}"),
                )
            };
            let pem = read_bounded(Path::new(path), MAX_CERTIFICATE_FILE_BYTES)
                .map_err(|error| unreadable(error.to_string()))?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|_| unreadable("it is not a PEM file".to_owned()))?;
                roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            // The system's store may contain certificates that rustls does not accept.
            let (_added, _ignored) = roots.add_parsable_certificates(found.certs);
        }
    }
    if roots.is_empty() {
        let reason = match &address.root_certificate {
            Some(path) => format!("`{path}` contains no certificate"),
            None => "this system has no trusted certificates; set sslrootcert to the file of the root \
                     certificate"
                .to_owned(),
        };
        return Err(Error::new(
            ErrorKind::Configuration,
            format!("the certificate of PostgreSQL at {address} cannot be verified: {reason}"),
        ));
    }
    Ok(roots)
}

/// A verifier that accepts any certificate of the server, as `sslmode=require` specifies. The handshake
/// signatures are verified.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
