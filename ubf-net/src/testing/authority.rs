//! Certificates for tests.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType, date_time_ymd,
};

use crate::tls::{ClientTls, ServerFiles};

/// An authority for certificates, and a folder with its own (`ca.pem`) and those that it has signed
/// (`NAME.pem`, `NAME.key`). The folder goes with it.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// One of this name, which no other one of the test's process has.
    ///
    /// # Panics
    /// If its files cannot be written.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("ubf-ca-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for files of a test");
        let mut params = CertificateParams::new(Vec::new()).expect("no name is wrong");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("its own certificate");
        fs::write(folder.join("ca.pem"), certificate.pem()).expect("a file of a test");
        Self { folder, issuer: Issuer::new(params, key) }
    }

    /// A file in its folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Signs a certificate for these names, changed before, and writes it with its key.
    ///
    /// # Panics
    /// If the files cannot be written.
    pub fn sign(
        &self,
        file: &str,
        names: Vec<SanType>,
        change: impl FnOnce(&mut CertificateParams),
    ) {
        let mut params = CertificateParams::new(Vec::new()).expect("no name is wrong");
        params.subject_alt_names = names;
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        fs::write(self.file(&format!("{file}.pem")), certificate.pem()).expect("a file of a test");
        fs::write(self.file(&format!("{file}.key")), key.serialize_pem())
            .expect("a file of a test");
    }

    /// Signs a certificate for a host: a name, or an IP address.
    ///
    /// # Panics
    /// If it is neither, or the files cannot be written.
    pub fn sign_host(&self, file: &str, host: &str) {
        self.sign(file, vec![name_of(host)], |_| {});
    }

    /// The same for a host whose certificate is over after so long, in whole seconds.
    ///
    /// # Panics
    /// As [`sign_host`](Self::sign_host).
    pub fn sign_host_for(&self, file: &str, host: &str, time: Duration) {
        let end = SystemTime::now() + time;
        let since_1970 = end.duration_since(SystemTime::UNIX_EPOCH).expect("it is later than 1970");
        self.sign(file, vec![name_of(host)], |params| {
            params.not_after = date_time_ymd(1970, 1, 1) + since_1970;
        });
    }

    /// What a server needs that shows this certificate.
    #[must_use]
    pub fn server(&self, file: &str) -> ServerFiles {
        ServerFiles::new(self.file(&format!("{file}.pem")), self.file(&format!("{file}.key")))
    }

    /// The same, for clients that this authority has signed.
    #[must_use]
    pub fn mutual(&self, file: &str) -> ServerFiles {
        self.server(file).with_client_authorities(self.file("ca.pem"))
    }

    /// A client that trusts this authority.
    ///
    /// # Panics
    /// If its file is gone.
    #[must_use]
    pub fn client(&self) -> ClientTls {
        ClientTls::trusting(self.file("ca.pem")).expect("its file is there")
    }

    /// The same, which shows this certificate.
    ///
    /// # Panics
    /// If its files are gone.
    #[must_use]
    pub fn client_as(&self, file: &str) -> ClientTls {
        let [certificate, key] = ["pem", "key"].map(|kind| self.file(&format!("{file}.{kind}")));
        self.client().showing(certificate, key).expect("its files are there")
    }
}

fn name_of(host: &str) -> SanType {
    host.parse().map_or_else(
        |_| SanType::DnsName(host.try_into().expect("the name of a host")),
        SanType::IpAddress,
    )
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _is_removed = fs::remove_dir_all(&self.folder).is_ok();
    }
}
