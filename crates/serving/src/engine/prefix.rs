use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use language_model::inference::{FullPage, KvCache, PAGE_TOKENS};

/// Keys and values of earlier prompts and answers, for sequences that begin with the same tokens.
///
/// A page is found by the page before it and its own tokens, compared whole: two texts are never taken for each other.
/// Models share nothing, nor do adapters over one base, since they compute other numbers.
#[derive(Debug, Default)]
pub(super) struct PrefixCache {
    pages: HashMap<Key, Entry>,
    bytes: usize,
    clock: u64,
    last_id: u64,
}

/// Before the first page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Before {
    /// Nothing: the start of a sequence of this model, by [`crate::registry::Served::serial`].
    Start(u64),
    Page(u64),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    before: Before,
    tokens: [u32; PAGE_TOKENS],
}

#[derive(Debug)]
struct Entry {
    id: u64,
    page: FullPage,
    bytes: usize,
    used: u64,
    /// Pages before it: of pages used at the same time, the last one goes first.
    depth: usize,
    is_dropped: Arc<AtomicBool>,
}

impl PrefixCache {
    /// Bytes of all pages, also of those that a running sequence shares.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The pages of the longest known start of `tokens`; one token at least is left to compute.
    pub(super) fn find(&mut self, serial: u64, tokens: &[u32]) -> Vec<FullPage> {
        self.clock += 1;
        let mut before = Before::Start(serial);
        let mut found = Vec::new();
        let most = tokens.len().saturating_sub(1) / PAGE_TOKENS;
        for tokens in tokens.as_chunks::<PAGE_TOKENS>().0.iter().take(most) {
            let key = Key {
                before,
                tokens: *tokens,
            };
            let Some(entry) = self.pages.get_mut(&key) else {
                break;
            };
            entry.used = self.clock;
            before = Before::Page(entry.id);
            found.push(entry.page.clone());
        }
        found
    }

    /// Keeps the full pages of a sequence, as far as `room` bytes allow with what is kept already; the pages that were
    /// not used for longest give way.
    pub(super) fn keep(
        &mut self,
        (serial, is_dropped): (u64, &Arc<AtomicBool>),
        tokens: &[u32],
        cache: &KvCache,
        (page_bytes, room): (usize, usize),
    ) {
        if is_dropped.load(Ordering::Relaxed) {
            return;
        }
        self.clock += 1;
        let mut before = Before::Start(serial);
        let chunks = tokens.as_chunks::<PAGE_TOKENS>().0.iter();
        for (depth, (tokens, page)) in chunks.zip(cache.full_pages()).enumerate() {
            let key = Key {
                before,
                tokens: *tokens,
            };
            if let Some(entry) = self.pages.get_mut(&key) {
                entry.used = self.clock;
                before = Before::Page(entry.id);
                continue;
            }
            self.shrink(room.saturating_sub(page_bytes));
            if self.bytes + page_bytes > room {
                return;
            }
            self.last_id += 1;
            before = Before::Page(self.last_id);
            self.bytes += page_bytes;
            self.pages.insert(
                key,
                Entry {
                    id: self.last_id,
                    page,
                    bytes: page_bytes,
                    used: self.clock,
                    depth,
                    is_dropped: Arc::clone(is_dropped),
                },
            );
        }
    }

    /// Forgets pages until no more than `room` bytes are kept; those of this moment stay.
    pub(super) fn shrink(&mut self, room: usize) {
        if self.bytes <= room {
            return;
        }
        let mut oldest: Vec<(u64, std::cmp::Reverse<usize>, Key)> = self
            .pages
            .iter()
            .filter(|(_, entry)| entry.used < self.clock)
            .map(|(key, entry)| (entry.used, std::cmp::Reverse(entry.depth), key.clone()))
            .collect();
        oldest.sort_unstable_by_key(|(used, depth, _)| (*used, *depth));
        // A few more than are needed, so that the next page does not sort them all again.
        let goal = room - room / 16;
        for (_, _, key) in oldest {
            if self.bytes <= goal {
                break;
            }
            if let Some(entry) = self.pages.remove(&key) {
                self.bytes -= entry.bytes;
            }
        }
    }

    /// Forgets the pages of models that are served no more.
    pub(super) fn forget_dropped(&mut self) {
        self.pages
            .retain(|_, entry| !entry.is_dropped.load(Ordering::Relaxed));
        self.bytes = self.pages.values().map(|entry| entry.bytes).sum();
    }
}
