//! A vector that grows by pages and never moves an item. Shard core.
//!
//! A `Vec` moves all items when it grows. With a million connections that stops the shard for a
//! tenth of a second and needs twice the memory meanwhile.

use std::ops::{Index, IndexMut};

use crate::limits::PAGE_ITEMS;

/// Items in pages of [`PAGE_ITEMS`]. Every page but the last is full.
#[derive(Debug)]
pub struct Pages<T> {
    pages: Vec<Vec<T>>,
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self { pages: Vec::new() }
    }
}

impl<T> Pages<T> {
    pub fn len(&self) -> usize {
        let Some(last) = self.pages.last() else {
            return 0;
        };
        (self.pages.len() - 1) * PAGE_ITEMS + last.len()
    }

    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    pub fn push(&mut self, item: T) {
        match self.pages.last_mut() {
            Some(last) if last.len() < PAGE_ITEMS => last.push(item),
            _ => {
                let mut page = Vec::with_capacity(PAGE_ITEMS);
                page.push(item);
                self.pages.push(page);
            }
        }
    }

    /// Returns the items in order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.pages.iter_mut().flatten()
    }

    pub fn get(&self, index: usize) -> Option<&T> {
        self.pages.get(index / PAGE_ITEMS)?.get(index % PAGE_ITEMS)
    }

    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.pages
            .get_mut(index / PAGE_ITEMS)?
            .get_mut(index % PAGE_ITEMS)
    }
}

impl<T> Index<usize> for Pages<T> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        &self.pages[index / PAGE_ITEMS][index % PAGE_ITEMS]
    }
}

impl<T> IndexMut<usize> for Pages<T> {
    fn index_mut(&mut self, index: usize) -> &mut T {
        &mut self.pages[index / PAGE_ITEMS][index % PAGE_ITEMS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_keep_their_index_and_their_address() {
        let mut pages = Pages::default();
        assert!(pages.is_empty());
        pages.push(0);
        let first = &raw const pages[0];
        for item in 1..3 * PAGE_ITEMS {
            assert_eq!(pages.len(), item);
            assert_eq!(pages.get(item), None);
            pages.push(item);
        }
        assert_eq!(first, &raw const pages[0]);
        for item in 0..3 * PAGE_ITEMS {
            assert_eq!(pages[item], item);
            *pages.get_mut(item).unwrap() += 1;
            assert_eq!(pages.get(item), Some(&(item + 1)));
        }
    }
}
