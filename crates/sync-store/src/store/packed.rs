//! Parts of a plan, packed: hundreds change with each call, and a row for each would cost more than the call itself.

use sync_core::{Error, ErrorKind, Result};
use sync_engine::PartState;

use crate::error::corrupt;

/// Most operations whose states share a row. A change of one part writes all of them: about 4 KB.
pub(super) const MAX_OPERATIONS: usize = 256;

/// A part: the number of what it is made of, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) spec: u16,
    pub(super) state: PartState,
}

/// Operations in the order of their numbers, with their parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct States {
    /// Each operation, and where its parts end among all.
    operations: Vec<(u64, usize)>,
    // In one piece: there are hundreds of thousands of them.
    parts: Vec<Packed>,
}

impl States {
    /// Adds an operation; its number is above all others.
    pub(super) fn push(&mut self, seq: u64, parts: impl IntoIterator<Item = Packed>) {
        self.parts.extend(parts);
        self.operations.push((seq, self.parts.len()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    pub(super) fn first_seq(&self) -> u64 {
        self.operations.first().map_or(0, |(seq, _)| *seq)
    }

    pub(super) fn last_seq(&self) -> u64 {
        self.operations.last().map_or(0, |(seq, _)| *seq)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &[Packed])> {
        (0..self.operations.len()).filter_map(|idx| Some((self.operations.get(idx)?.0, self.parts.get(self.range(idx)?)?)))
    }

    pub(super) fn parts(&self, seq: u64) -> Option<&[Packed]> {
        self.parts.get(self.range(self.find(seq)?)?)
    }

    pub(super) fn parts_mut(&mut self, seq: u64) -> Option<&mut [Packed]> {
        let range = self.range(self.find(seq)?)?;
        self.parts.get_mut(range)
    }

    /// Keeps the operations for which `keep` says so.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(u64, &[Packed]) -> bool) {
        let mut kept = Self::default();
        for (seq, parts) in self.iter() {
            if keep(seq, parts) {
                kept.push(seq, parts.iter().copied());
            }
        }
        *self = kept;
    }

    fn find(&self, seq: u64) -> Option<usize> {
        self.operations.binary_search_by_key(&seq, |(seq, _)| *seq).ok()
    }

    fn range(&self, idx: usize) -> Option<std::ops::Range<usize>> {
        let start = idx.checked_sub(1).and_then(|before| self.operations.get(before)).map_or(0, |(_, end)| *end);
        Some(start..self.operations.get(idx)?.1)
    }

    /// For each operation: its distance from `first_seq` (32 bits), how many parts (16), and for each its number (16) and
    /// state (8); the smallest byte first.
    pub(super) fn pack(&self, first_seq: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.operations.len() * 6 + self.parts.len() * 3);
        for (seq, parts) in self.iter() {
            bytes.extend(u32::try_from(seq - first_seq).map_err(too_many)?.to_le_bytes());
            bytes.extend(u16::try_from(parts.len()).map_err(too_many)?.to_le_bytes());
            for part in parts {
                bytes.extend(part.spec.to_le_bytes());
                bytes.push(super::plan::state_number(part.state));
            }
        }
        Ok(bytes)
    }

    pub(super) fn unpack(first_seq: u64, bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader(bytes);
        let mut states = Self { operations: Vec::with_capacity(MAX_OPERATIONS), parts: Vec::with_capacity(bytes.len() / 3) };
        while !reader.0.is_empty() {
            let seq = first_seq + u64::from(u32::from_le_bytes(reader.take()?));
            let n_parts = u16::from_le_bytes(reader.take()?);
            for _ in 0..n_parts {
                let spec = u16::from_le_bytes(reader.take()?);
                let [state] = reader.take()?;
                states.parts.push(Packed { spec, state: super::plan::state(state)? });
            }
            states.operations.push((seq, states.parts.len()));
        }
        Ok(states)
    }
}

/// Parts of one group, as operation and index: for each the distance from `first_seq` (32 bits) and the index (16).
pub(super) fn pack_members(first_seq: u64, members: &[(u64, u32)]) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(members.len() * 6);
    for (seq, part_idx) in members {
        bytes.extend(u32::try_from(seq - first_seq).map_err(too_many)?.to_le_bytes());
        bytes.extend(u16::try_from(*part_idx).map_err(too_many)?.to_le_bytes());
    }
    Ok(bytes)
}

pub(super) fn unpack_members(first_seq: u64, bytes: &[u8]) -> Result<Vec<(u64, u32)>> {
    let mut reader = Reader(bytes);
    let mut members = Vec::with_capacity(bytes.len() / 6);
    while !reader.0.is_empty() {
        let seq = first_seq + u64::from(u32::from_le_bytes(reader.take()?));
        members.push((seq, u32::from(u16::from_le_bytes(reader.take()?))));
    }
    Ok(members)
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or_else(|| corrupt("plan"))?;
        self.0 = rest;
        Ok(*bytes)
    }
}

fn too_many(_: std::num::TryFromIntError) -> Error {
    Error::new(ErrorKind::Internal, "an operation has too many parts, or its number is too far from the one before")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_members_unpack_to_what_was_packed() {
        let part = |spec, state| Packed { spec, state };
        let last = [part(1, PartState::Sent), part(2, PartState::Done)];
        let mut states = States::default();
        states.push(7, [part(0, PartState::Ready), part(300, PartState::Held)]);
        states.push(8, []);
        states.push(70_000, last);
        assert_eq!(States::unpack(7, &states.pack(7).unwrap()).unwrap(), states);
        assert_eq!((states.parts(8), states.parts(9)), (Some(&[][..]), None));
        assert_eq!((states.first_seq(), states.last_seq()), (7, 70_000));
        states.retain(|seq, _| seq != 7);
        assert_eq!((states.parts(7), states.parts(70_000)), (None, Some(&last[..])));
        let members = [(7, 0), (7, 2), (70_000, 1)];
        assert_eq!(unpack_members(7, &pack_members(7, &members).unwrap()).unwrap(), members);
    }

    #[test]
    fn what_is_cut_short_is_corrupt() {
        let mut states = States::default();
        states.push(1, [Packed { spec: 1, state: PartState::Ready }]);
        let bytes = states.pack(1).unwrap();
        for end in 1..bytes.len() {
            assert_eq!(States::unpack(1, &bytes[..end]).unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }
}
