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
    /// Opened by another thread.
    Other,
}

/// Open descriptors. As in a kernel, the lowest free number is used first, so that a stale number
/// soon refers to something else.
#[derive(Debug)]
pub struct Descriptors {
    open: BTreeMap<u32, Target>,
    pub limit: usize,
    pub opened: u64,
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

    pub fn is_full(&self) -> bool {
        self.open.len() >= self.limit
    }

    /// Opens a descriptor, or returns `None` if the process has none left.
    pub fn open(&mut self, target: Target) -> Option<u32> {
        (!self.is_full()).then(|| self.open_beyond_limit(target))
    }

    /// Opens a descriptor that was reserved before.
    pub fn open_beyond_limit(&mut self, target: Target) -> u32 {
        let free = (0..=u32::MAX).find(|number| !self.open.contains_key(number));
        let number = free.expect("there are enough numbers");
        self.open.insert(number, target);
        self.opened += 1;
        number
    }

    pub fn close(&mut self, number: u32) -> Target {
        self.closed += 1;
        self.open
            .remove(&number)
            .unwrap_or_else(|| panic!("descriptor {number} is closed twice"))
    }

    pub fn get(&self, number: u32) -> Option<Target> {
        self.open.get(&number).copied()
    }

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
