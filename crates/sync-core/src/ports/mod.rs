//! What the engine borrows: the host's records and time, randomness, transport and secrets.

mod exchange;
mod grants;
mod host;
mod notify;
mod sign_ins;
mod system;

pub use exchange::{Cancel, Exchange, Transport, TransportError, TransportFault, TransportLimits, Within};
pub use grants::{CounterKey, Counters, Credentials, Grant, Grants, Swapped};
pub use host::{
    ConsentSink, FieldSet, HostRecords, Local, LocalFrom, LocalNext, LocalPage, LocalReceipt, LocalState, LocalVerb,
    LocalWrite, Origin, Records, WritableRecords,
};
pub use notify::{Notice, NoticeKind, Notifier};
pub use sign_ins::{OwnClient, PendingSignIn, SignIns};
pub use system::{Clock, Random, SystemClock, SystemRandom};
