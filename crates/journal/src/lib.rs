//! Landfall's journal.

mod committer;
mod cursor;
mod disk;
mod error;
mod group;
mod identity;
mod inspect;
mod journal;
#[cfg(test)]
mod model_tests;
mod open;
mod options;
mod os;
mod position;
mod reader;
mod reserve;
mod segment;
mod segments;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
mod state;
mod stats;
mod walk;

pub use self::{
    disk::{Disk, DiskFile},
    error::{AppendError, OpenError},
    inspect::{Export, InspectedSegment, Inspection, export, inspect, read_segment},
    journal::Journal,
    options::Options,
    position::Position,
    reader::Reader,
    segment::Record,
    state::State,
    stats::{Damage, DamageKind, Stats},
};
