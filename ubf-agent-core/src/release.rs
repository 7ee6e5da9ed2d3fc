//! A release: the manifest of one static binary, and the signature of it (F2).

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use ring::digest::{Context, SHA256, digest};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use ubf_codec::{Encoder, Term, TermRef, decode, ubf};

/// The most bytes of a signed manifest. Chosen: hundreds of services.
pub const MAX_MANIFEST_BYTES: usize = 16 << 10;
/// The most bytes of a binary. Chosen: several times what a static one with all symbols takes.
pub const MAX_RELEASE_BYTES: u64 = 1 << 30;

/// SHA-256 of the bytes of a binary: what a release is called by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The hash of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::read(digest(&SHA256, bytes).as_ref()).unwrap_or(Self([0; 32]))
    }

    /// A hash of 32 bytes; `None` if they are more or fewer.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// As it is written in packets.
    #[must_use]
    pub fn to_term(self) -> Term {
        Term::binary(self.0.to_vec())
    }

    pub(crate) fn of_term(term: TermRef<'_>) -> Option<Self> {
        Self::read(term.as_bytes()?)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Hash {
    type Err = ReleaseError;

    fn from_str(text: &str) -> Result<Self, ReleaseError> {
        read_hex(text).ok_or(ReleaseError::Hex).map(Self)
    }
}

/// The hash of bytes that come in pieces.
#[derive(Clone)]
pub struct Hasher(Context);

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").finish_non_exhaustive()
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl Hasher {
    /// More bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all of them.
    #[must_use]
    pub fn finish(self) -> Hash {
        Hash::read(self.0.finish().as_ref()).unwrap_or(Hash([0; 32]))
    }
}

/// What a release is, and what it can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The program's name.
    pub name: String,
    /// Counts up from release to release: Armstrong's state 34, 35.
    pub number: u64,
    /// The versions of the contract of each service.
    pub contracts: Vec<(String, Vec<u32>)>,
    /// The state versions of the rows of each service: which it reads, and the newest it writes.
    pub rows: Vec<(String, Vec<u32>, u32)>,
    /// Arguments behind those that the machine has for its node.
    pub arguments: Vec<String>,
    /// The bytes of the binary.
    pub bytes: u64,
    /// The hash of the binary.
    pub hash: Hash,
}

/// Why a release is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseError {
    /// The bytes are no signed manifest of a form that is known.
    Form,
    /// A manifest, or the binary that it is about, is larger than is taken.
    Size,
    /// The key of the signature is not one of those that are trusted.
    Key,
    /// The signature is not that of these bytes.
    Signature,
    /// A text is not 64 hexadecimal digits.
    Hex,
}

impl fmt::Display for ReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "this is no manifest of a release, or no signed one",
            Self::Size => "the manifest is above 16 KiB, or the binary is empty or above 1 GiB",
            Self::Key => "the key that signed it is not trusted here",
            Self::Signature => "the signature is not that of this manifest",
            Self::Hex => "64 hexadecimal digits are expected",
        })
    }
}

impl std::error::Error for ReleaseError {}

impl Manifest {
    /// The manifest as a packet: what is signed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let numbers = |list: &[u32]| Term::list(list.iter().copied().map(Term::from));
        let contracts = self.contracts.iter();
        let contracts = contracts.map(|(name, list)| ubf!({(name.as_str()), (numbers(list))}));
        let rows = self.rows.iter();
        let rows =
            rows.map(|(name, reads, writes)| ubf!({(name.as_str()), (numbers(reads)), (*writes)}));
        let arguments = self.arguments.iter().map(|one| Term::string(one.as_str()));
        Encoder::new().encode(&ubf!({
            release, 1, (self.name.as_str()), (self.number), (Term::list(contracts)),
            (Term::list(rows)), (Term::list(arguments)), (self.bytes), (self.hash.to_term())
        }))
    }

    /// # Errors
    /// If the bytes are no manifest of form 1.
    pub fn read(bytes: &[u8]) -> Result<Self, ReleaseError> {
        let packet = decode(bytes).map_err(|_| ReleaseError::Form)?;
        Self::of_term(packet.root()).ok_or(ReleaseError::Form)
    }

    fn of_term(term: TermRef<'_>) -> Option<Self> {
        let at = |index| term.get(index);
        let text = |term: TermRef<'_>| term.as_str().map(std::borrow::Cow::into_owned);
        let number = |term: TermRef<'_>| u32::try_from(term.as_u64()?).ok();
        let numbers = |term: TermRef<'_>| term.as_list()?.iter().map(number).collect::<Option<_>>();
        if !at(0)?.is_atom("release") || at(1)?.as_u64()? != 1 {
            return None;
        }
        let contract = |one: TermRef<'_>| Some((text(one.get(0)?)?, numbers(one.get(1)?)?));
        let row = |one: TermRef<'_>| {
            Some((text(one.get(0)?)?, numbers(one.get(1)?)?, number(one.get(2)?)?))
        };
        Some(Self {
            name: text(at(2)?)?,
            number: at(3)?.as_u64()?,
            contracts: at(4)?.as_list()?.iter().map(contract).collect::<Option<_>>()?,
            rows: at(5)?.as_list()?.iter().map(row).collect::<Option<_>>()?,
            arguments: at(6)?.as_list()?.iter().map(text).collect::<Option<_>>()?,
            bytes: at(7)?.as_u64()?,
            hash: Hash::of_term(at(8)?)?,
        })
    }
}

/// A manifest's bytes, and who vouches for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    manifest: Bytes,
    key: PublicKey,
    signature: Bytes,
}

impl Signed {
    /// # Errors
    /// If the bytes are no signed manifest. Whether the signature is good is not looked at.
    pub fn read(bytes: &[u8]) -> Result<Self, ReleaseError> {
        if bytes.len() > MAX_MANIFEST_BYTES {
            return Err(ReleaseError::Size);
        }
        let packet = decode(bytes).map_err(|_| ReleaseError::Form)?;
        let part = |index| packet.root().get(index)?.as_bytes().map(Bytes::copy_from_slice);
        let is_signed = packet.root().get(0).is_some_and(|name| name.is_atom("signed"));
        let key = part(2).and_then(|key| key.as_ref().try_into().ok().map(PublicKey));
        match (is_signed, part(1), key, part(3)) {
            (true, Some(manifest), Some(key), Some(signature)) => {
                Ok(Self { manifest, key, signature })
            }
            _ => Err(ReleaseError::Form),
        }
    }

    /// As it stands in a file, and in `put`.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self { manifest, key, signature } = self;
        let (manifest, signature) =
            (Term::binary(manifest.clone()), Term::binary(signature.clone()));
        Encoder::new()
            .encode(&ubf!({signed, (manifest), (Term::binary(key.0.to_vec())), (signature)}))
    }

    /// What was signed, if it was signed with one of these keys.
    ///
    /// # Errors
    /// [`ReleaseError`]: nothing of it is to be believed then.
    pub fn check(&self, keys: &[PublicKey]) -> Result<Manifest, ReleaseError> {
        if !keys.contains(&self.key) {
            return Err(ReleaseError::Key);
        }
        let key = UnparsedPublicKey::new(&ED25519, self.key.0);
        key.verify(&self.manifest, &self.signature).map_err(|_| ReleaseError::Signature)?;
        let manifest = Manifest::read(&self.manifest)?;
        let is_fit = (1..=MAX_RELEASE_BYTES).contains(&manifest.bytes);
        if is_fit { Ok(manifest) } else { Err(ReleaseError::Size) }
    }

    /// The key that it says it was signed with.
    #[must_use]
    pub const fn key(&self) -> PublicKey {
        self.key
    }
}

/// Whom releases are taken from: a key of Ed25519, in files as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hash(self.0).fmt(f)
    }
}

impl FromStr for PublicKey {
    type Err = ReleaseError;

    fn from_str(text: &str) -> Result<Self, ReleaseError> {
        read_hex(text).ok_or(ReleaseError::Hex).map(Self)
    }
}

/// What signs releases. It is made of 32 bytes of the system's randomness, and kept where no
/// agent is.
#[derive(Debug)]
pub struct SecretKey(Ed25519KeyPair);

impl SecretKey {
    /// # Errors
    /// If the text is not 64 hexadecimal digits.
    pub fn read(text: &str) -> Result<Self, ReleaseError> {
        let seed: [u8; 32] = read_hex(text).ok_or(ReleaseError::Hex)?;
        Ed25519KeyPair::from_seed_unchecked(&seed).map(Self).map_err(|_| ReleaseError::Hex)
    }

    /// The key that agents are given.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.public_key().as_ref().try_into().unwrap_or([0; 32]))
    }

    /// Vouches for a manifest.
    #[must_use]
    pub fn sign(&self, manifest: &Manifest) -> Signed {
        let manifest = manifest.to_bytes();
        let signature = Bytes::copy_from_slice(self.0.sign(&manifest).as_ref());
        Signed { manifest: manifest.into(), key: self.public(), signature }
    }
}

fn read_hex(text: &str) -> Option<[u8; 32]> {
    let (pairs, rest) = text.trim().as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?));
    let bytes: Vec<u8> = bytes.collect::<Option<_>>()?;
    if rest.is_empty() { bytes.try_into().ok() } else { None }
}
