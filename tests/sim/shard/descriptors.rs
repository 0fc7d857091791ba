//! The descriptor table of the simulated process.

use std::collections::BTreeMap;

/// A number that identifies a TCP connection for the whole run.
pub type Key = u64;

/// The object that a descriptor refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Connection(Key),
    Listener,
    Reserve,
    /// An object that another thread has opened.
    Other,
}

/// The open descriptors. As in Linux, a new descriptor has the lowest free number. So the number of
/// a closed descriptor soon refers to another object.
#[derive(Debug)]
pub struct Descriptors {
    open: BTreeMap<u32, Target>,
    pub limit: usize,
    /// The number of descriptors that were opened during the run.
    pub opened: u64,
    /// The number of descriptors that were closed during the run.
    pub closed: u64,
}

impl Descriptors {
    pub fn new(limit: usize) -> Self {
        Self {
            open: BTreeMap::new(),
            limit,
            opened: 0,
            closed: 0,
        }
    }

    /// Returns whether the limit is reached.
    pub fn is_full(&self) -> bool {
        self.open.len() >= self.limit
    }

    /// Opens a descriptor, or returns `None` if the process has none left.
    pub fn open(&mut self, target: Target) -> Option<u32> {
        (!self.is_full()).then(|| self.open_beyond_limit(target))
    }

    /// Opens a descriptor without a check of the limit, which the caller has checked.
    pub fn open_beyond_limit(&mut self, target: Target) -> u32 {
        let free = (0..=u32::MAX).find(|number| !self.open.contains_key(number));
        let number = free.expect("fewer than 2^32 descriptors are open");
        self.open.insert(number, target);
        self.opened += 1;
        number
    }

    /// Closes a descriptor. Returns the object that it referred to.
    pub fn close(&mut self, number: u32) -> Target {
        self.closed += 1;
        self.open
            .remove(&number)
            .unwrap_or_else(|| panic!("descriptor {number} is closed twice"))
    }

    /// Returns the object that a descriptor refers to, or `None` if it is closed.
    pub fn get(&self, number: u32) -> Option<Target> {
        self.open.get(&number).copied()
    }

    /// Returns the number of descriptors that refer to certain objects.
    pub fn count(&self, is_counted: impl Fn(Target) -> bool) -> usize {
        self.open.values().filter(|it| is_counted(**it)).count()
    }

    /// Closes one descriptor of another thread.
    pub fn close_other(&mut self) {
        let other = self.open.iter().find(|(_, it)| **it == Target::Other);
        if let Some(number) = other.map(|(number, _)| *number) {
            self.close(number);
        }
    }
}
