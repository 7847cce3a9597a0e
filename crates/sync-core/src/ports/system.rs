//! Time and randomness, so that tests and the simulator bring their own.

use std::{fmt, future::Future, pin::Pin, time::Duration};

use jiff::Timestamp;

/// Tells the time and waits.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Waits.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The system's clock. Waiting is done by the function it was made with, since this crate knows no runtime.
#[derive(Clone, Copy)]
pub struct SystemClock {
    sleep: fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl SystemClock {
    /// The system's clock, waiting with the runtime's own sleep.
    pub const fn new(sleep: fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>) -> Self {
        Self { sleep }
    }
}

impl fmt::Debug for SystemClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SystemClock")
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        (self.sleep)(duration)
    }
}

/// Gives random bytes.
pub trait Random: fmt::Debug + Send + Sync + 'static {
    /// Fills the buffer.
    fn fill(&self, buffer: &mut [u8]);

    /// 128 random bits, hexadecimal: an id.
    fn id(&self) -> String {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        bytes.iter().fold(String::with_capacity(32), |mut text, byte| {
            use fmt::Write as _;
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// The system's randomness, by the function it was made with.
#[derive(Clone, Copy)]
pub struct SystemRandom {
    fill: fn(&mut [u8]),
}

impl SystemRandom {
    /// The system's randomness.
    pub const fn new(fill: fn(&mut [u8])) -> Self {
        Self { fill }
    }
}

impl fmt::Debug for SystemRandom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SystemRandom")
    }
}

impl Random for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) {
        (self.fill)(buffer);
    }
}
