//! TLS as libpq's `sslmode` means it, by rustls.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, InconsistentKeys, RootCertStore,
    SignatureScheme,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::{Error, Result};

use super::options::{ConnectOptions, SslMode};

/// How far a server's certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    Nothing,
    Chain,
    ChainAndName,
}

/// The connector for `options`.
pub(super) fn connector(options: &ConnectOptions) -> Result<MakeRustlsConnect> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let check = match options.ssl_mode {
        SslMode::Disable | SslMode::Allow | SslMode::Prefer => Check::Nothing,
        // As libpq: whoever names a root certificate wants it used.
        SslMode::Require if options.ssl_root_cert.is_none() => Check::Nothing,
        SslMode::Require | SslMode::VerifyCa => Check::Chain,
        SslMode::VerifyFull => Check::ChainAndName,
    };
    let verifier = Verifier::new(check, options.ssl_root_cert.as_deref(), &provider)?;
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::failed("could not set up TLS").caused_by(e))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let config = match &options.ssl_client {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let own = client_certificate(certificate, key, &provider)?;
            config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own)))
        }
    };
    Ok(MakeRustlsConnect::new(config))
}

/// The client's certificate with its key. Only the server judges the certificate: PostgreSQL
/// takes the version 1 certificates that plain openssl makes, while rustls would refuse them.
fn client_certificate(
    certificate: &Path,
    key: &Path,
    provider: &CryptoProvider,
) -> Result<CertifiedKey> {
    let unusable =
        |e| Error::usage("the client certificate and its key can't be used").caused_by(e);
    let chain = certificates(certificate, "sslcert")?;
    let key = provider
        .key_provider
        .load_private_key(private_key(key)?)
        .map_err(unusable)?;
    let own = CertifiedKey::new(chain, key);
    match own.keys_match() {
        Err(e @ rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(unusable(e)),
        _ => Ok(own),
    }
}

fn unreadable(what: &str, path: &Path, error: rustls::pki_types::pem::Error) -> Error {
    Error::usage(format!("could not read {} ({what}) as PEM", path.display())).caused_by(error)
}

fn certificates(path: &Path, what: &str) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => Err(Error::usage(format!(
            "{} ({what}) holds no certificate",
            path.display()
        ))),
        Ok(found) => Ok(found),
        Err(error) => Err(unreadable(what, path, error)),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| {
        unreadable("sslkey", path, error)
            .hint("the key must be PEM and not encrypted: openssl pkey -in key -out plain.key")
    })
}

/// The certificates that are trusted: those of the file, else the system's.
fn roots(path: Option<&Path>) -> Result<(RootCertStore, Vec<CertificateDer<'static>>)> {
    let mut store = RootCertStore::empty();
    let pinned = match path {
        Some(path) => certificates(path, "sslrootcert")?,
        None => Vec::new(),
    };
    if path.is_some() {
        store.add_parsable_certificates(pinned.iter().cloned());
    } else {
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if store.is_empty() {
        return Err(
            Error::usage("no root certificate is at hand to check the server's with")
                .hint("name one with sslrootcert=FILE"),
        );
    }
    Ok((store, pinned))
}

/// Checks as much as asked for. Signatures of the handshake are checked whenever anything is.
#[derive(Debug)]
struct Verifier {
    check: Check,
    webpki: Option<Arc<WebPkiServerVerifier>>,
    /// Trusted certificates of the file. A server may present one of them as its own: such a
    /// self-signed certificate is its own chain for libpq, while webpki refuses every CA.
    pinned: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn new(check: Check, root: Option<&Path>, provider: &Arc<CryptoProvider>) -> Result<Self> {
        let (webpki, pinned) = if check == Check::Nothing {
            (None, Vec::new())
        } else {
            let (store, pinned) = roots(root)?;
            let webpki =
                WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider))
                    .build()
                    .map_err(|e| Error::failed("could not set up TLS").caused_by(e))?;
            (Some(webpki), pinned)
        };
        Ok(Self {
            check,
            webpki,
            pinned,
            provider: Arc::clone(provider),
        })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(webpki) = &self.webpki else {
            return Ok(ServerCertVerified::assertion());
        };
        if self.pinned.iter().any(|root| root == end_entity) {
            if self.check == Check::ChainAndName {
                let parsed = ParsedCertificate::try_from(end_entity)?;
                rustls::client::verify_server_name(&parsed, server_name)?;
            }
            return Ok(ServerCertVerified::assertion());
        }
        let checked =
            webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match checked {
            // webpki looks at the name last: everything else was in order.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.check == Check::Chain => Ok(ServerCertVerified::assertion()),
            checked => checked,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if self.check == Check::Nothing {
            return Ok(HandshakeSignatureValid::assertion());
        }
        rustls::crypto::verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if self.check == Check::Nothing {
            return Ok(HandshakeSignatureValid::assertion());
        }
        rustls::crypto::verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
