//! How a document lies in the store: `form u8 | version u64 | JSON`, in one value or, when it is long, in several. Knows no tree.
//!
//! JSON, because documents change rarely and gain fields over the years. A long document (a product with a large profile) is
//! compressed into chunk values that are named by its version: a reader that meets a rewrite finds the old chunks gone, reads
//! the head again, and never sees half of each.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::block::BLOCK_BYTES;
use super::{StoreError, Version, Versioned, keys};

const INLINE: u8 = 1;
const LONG: u8 = 2;
const HEADER: usize = 9;
/// Most bytes of a document's JSON.
const MOST: usize = 8 << 20;

/// What is stored under the document's key, and beside it.
#[derive(Debug)]
pub(super) struct Record {
    /// Value under the key.
    pub head: Vec<u8>,
    /// Values under the chunk keys of this version.
    pub chunks: Vec<Vec<u8>>,
}

/// Turns a document into its record.
///
/// # Errors
/// [`StoreError::TooLarge`] over 8 MiB.
pub(super) fn encode<T: Serialize>(what: &'static str, doc: &T, version: u64) -> Result<Record, StoreError> {
    let json = serde_json::to_vec(doc).map_err(|fault| StoreError::Corrupt { what, why: fault.to_string() })?;
    if json.len() > MOST {
        return Err(StoreError::TooLarge(json.len()));
    }
    let mut head = Vec::with_capacity(HEADER + json.len().min(BLOCK_BYTES));
    if json.len() <= BLOCK_BYTES - HEADER {
        head.push(INLINE);
        head.extend_from_slice(&version.to_be_bytes());
        head.extend_from_slice(&json);
        return Ok(Record { head, chunks: Vec::new() });
    }
    let packed = lz4_flex::block::compress(&json);
    let chunks: Vec<Vec<u8>> = packed.chunks(BLOCK_BYTES).map(<[u8]>::to_vec).collect();
    head.push(LONG);
    head.extend_from_slice(&version.to_be_bytes());
    head.extend_from_slice(&u32::try_from(json.len()).unwrap_or(u32::MAX).to_be_bytes());
    head.extend_from_slice(&u16::try_from(chunks.len()).unwrap_or(u16::MAX).to_be_bytes());
    Ok(Record { head, chunks })
}

/// The version of a record and how many chunk values belong to it.
pub(super) fn shape(what: &'static str, head: &[u8]) -> Result<(u64, u16), StoreError> {
    let corrupt = || StoreError::Corrupt { what, why: "its header is not one of ours; written by a newer codecgate?".to_owned() };
    let (form, rest) = head.split_first().ok_or_else(corrupt)?;
    let version = keys::number_at(rest).ok_or_else(corrupt)?;
    match *form {
        INLINE => Ok((version, 0)),
        LONG => {
            let chunks = head.get(HEADER + 4..).and_then(<[u8]>::first_chunk).ok_or_else(corrupt)?;
            Ok((version, u16::from_be_bytes(*chunks)))
        }
        _ => Err(corrupt()),
    }
}

/// Reads a document through `read`, which is asked for the key and then for chunks.
///
/// # Errors
/// [`StoreError::Corrupt`] when what is stored is no such document; whatever `read` fails with.
pub(super) fn load<T: DeserializeOwned, B: AsRef<[u8]>>(
    what: &'static str,
    key: &[u8],
    read: impl Fn(&[u8]) -> Result<Option<B>, StoreError>,
) -> Result<Option<Versioned<T>>, StoreError> {
    let mut before = None;
    loop {
        let Some(head) = read(key)? else { return Ok(None) };
        match decode(what, key, head.as_ref(), &read)? {
            Some(found) => return Ok(Some(found)),
            None if before.as_deref() == Some(head.as_ref()) => {
                return Err(StoreError::Corrupt { what, why: "a part of it is missing".to_owned() });
            }
            None => before = Some(head.as_ref().to_vec()),
        }
    }
}

/// The document of a head; none when a chunk is missing, because it was rewritten meanwhile.
pub(super) fn decode<T: DeserializeOwned, B: AsRef<[u8]>>(
    what: &'static str,
    key: &[u8],
    head: &[u8],
    read: &impl Fn(&[u8]) -> Result<Option<B>, StoreError>,
) -> Result<Option<Versioned<T>>, StoreError> {
    let corrupt = |why: String| StoreError::Corrupt { what, why };
    let (version, chunks) = shape(what, head)?;
    let rest = head.get(HEADER..).unwrap_or_default();
    let parse = |json: &[u8]| serde_json::from_slice(json).map_err(|fault| corrupt(fault.to_string()));
    if head.first() == Some(&INLINE) {
        return Ok(Some(Versioned { doc: parse(rest)?, version: Version(version) }));
    }
    let length = rest.first_chunk().map(|bytes| u32::from_be_bytes(*bytes)).and_then(|length| usize::try_from(length).ok());
    let length = length.filter(|length| *length <= MOST).ok_or_else(|| corrupt("its length is impossible".to_owned()))?;
    let mut packed = Vec::new();
    for number in 0..chunks {
        match read(&keys::chunk(key, version, number))? {
            Some(chunk) => packed.extend_from_slice(chunk.as_ref()),
            None => return Ok(None),
        }
    }
    let json = lz4_flex::block::decompress(&packed, length).map_err(|fault| corrupt(fault.to_string()))?;
    Ok(Some(Versioned { doc: parse(&json)?, version: Version(version) }))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn short_and_long_documents_round_trip_and_damage_is_an_error() {
        // Text that does not compress: hex of hashes.
        let noise: String = (0..900_u32).map(|n| blake3::hash(&n.to_be_bytes()).to_hex().to_string()).collect();
        for doc in ["x".to_owned(), "y".repeat(6_989), "z".repeat(6_990), noise] {
            let record = encode("text", &doc, 3).unwrap();
            assert!(record.head.len() <= BLOCK_BYTES && record.chunks.iter().all(|chunk| chunk.len() <= BLOCK_BYTES));
            let mut tree = HashMap::from([(b"k".to_vec(), record.head)]);
            for (number, chunk) in (0..).zip(record.chunks) {
                tree.insert(keys::chunk(b"k", 3, number), chunk);
            }
            let read = |tree: &HashMap<Vec<u8>, Vec<u8>>| load::<String, _>("text", b"k", |key| Ok(tree.get(key).cloned()));
            assert_eq!(read(&tree), Ok(Some(Versioned { doc, version: Version(3) })));
            if tree.len() > 1 {
                tree.remove(&keys::chunk(b"k", 3, 0));
                assert!(matches!(read(&tree), Err(StoreError::Corrupt { .. })));
            }
            tree.insert(b"k".to_vec(), vec![9; 20]);
            assert!(matches!(read(&tree), Err(StoreError::Corrupt { .. })));
        }
    }
}
