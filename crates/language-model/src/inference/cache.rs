//! Keys and values of sequences, in pages that sequences with the same start can share.

use std::sync::{Arc, Mutex, PoisonError};

/// Tokens of a page.
pub const PAGE_TOKENS: usize = 16;

/// What a page holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageShape {
    pub(super) layers: usize,
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
}

impl PageShape {
    /// Numbers of the keys, or of the values, of one head in one layer.
    fn head(self) -> usize {
        self.head_dim * PAGE_TOKENS
    }

    fn numbers(self) -> usize {
        self.layers * 2 * self.kv_heads * self.head()
    }
}

/// Pages of one model that are not in use: fresh ones from the system cost more than what is computed with them.
#[derive(Debug)]
pub(super) struct PagePool {
    shape: PageShape,
    free: Mutex<Vec<Vec<f32>>>,
}

impl PagePool {
    pub(super) fn new(shape: PageShape) -> Self {
        Self {
            shape,
            free: Mutex::default(),
        }
    }

    /// A page; what it holds is left over from earlier use, or zero.
    fn take(self: &Arc<Self>) -> Page {
        let kept = self
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        Page {
            numbers: kept.unwrap_or_else(|| vec![0.0; self.shape.numbers()]),
            home: Arc::clone(self),
        }
    }

    /// Bytes of a page.
    pub(super) fn page_bytes(&self) -> usize {
        self.shape.numbers() * size_of::<f32>()
    }
}

/// Keys and values of [`PAGE_TOKENS`] tokens, f32, for each layer first keys, `[kv_head][head_dim][token]`, after
/// rotation, then values, `[kv_head][token][head_dim]`.
#[derive(Debug)]
pub(super) struct Page {
    numbers: Vec<f32>,
    home: Arc<PagePool>,
}

impl Clone for Page {
    fn clone(&self) -> Self {
        let mut copy = self.home.take();
        copy.numbers.copy_from_slice(&self.numbers);
        copy
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let numbers = std::mem::take(&mut self.numbers);
        let mut free = self
            .home
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        free.push(numbers);
    }
}

impl Page {
    /// Where the keys of a head begin; its values are `kv_heads` heads further.
    fn start(&self, layer: usize, head: usize) -> usize {
        let shape = self.home.shape;
        (layer * 2 * shape.kv_heads + head) * shape.head()
    }

    /// Keys `[head_dim][token]` and values `[token][head_dim]` of one head in one layer.
    pub(super) fn head(&self, layer: usize, head: usize) -> (&[f32], &[f32]) {
        let shape = self.home.shape;
        let keys = self.start(layer, head);
        let values = keys + shape.kv_heads * shape.head();
        (
            &self.numbers[keys..keys + shape.head()],
            &self.numbers[values..values + shape.head()],
        )
    }

    /// Sets the keys and values of one token in one layer, `[kv_head][head_dim]` each.
    fn set(&mut self, layer: usize, token: usize, keys: &[f32], values: &[f32]) {
        let shape = self.home.shape;
        let heads = keys
            .chunks_exact(shape.head_dim)
            .zip(values.chunks_exact(shape.head_dim));
        for (head, (keys, values)) in heads.enumerate() {
            let start = self.start(layer, head);
            let places = self.numbers[start..start + shape.head()].iter_mut();
            for (place, key) in places.skip(token).step_by(PAGE_TOKENS).zip(keys) {
                *place = *key;
            }
            let start = start + shape.kv_heads * shape.head() + token * shape.head_dim;
            self.numbers[start..start + shape.head_dim].copy_from_slice(values);
        }
    }
}

/// The keys and values of [`PAGE_TOKENS`] tokens that are not changed any more, to be shared by sequences.
#[derive(Debug, Clone)]
pub struct FullPage(Arc<Page>);

/// The keys and values of one sequence, for all layers.
///
/// Grows as the sequence does, page by page, up to a capacity that is fixed at the start.
#[derive(Debug, Clone)]
pub struct KvCache {
    pages: Vec<Arc<Page>>,
    pool: Arc<PagePool>,
    tokens: usize,
    capacity: usize,
}

impl KvCache {
    /// An empty cache for at most `capacity` tokens.
    pub(super) fn new(pool: &Arc<PagePool>, capacity: usize) -> Self {
        Self {
            pages: Vec::new(),
            pool: Arc::clone(pool),
            tokens: 0,
            capacity,
        }
    }

    /// Tokens that have been computed.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Most tokens that it takes.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The pages that are full, from the first token on.
    pub fn full_pages(&self) -> impl Iterator<Item = FullPage> + '_ {
        let full = self.tokens / PAGE_TOKENS;
        self.pages.iter().take(full).cloned().map(FullPage)
    }

    /// Starts with the pages of another sequence of the same model that began with the same tokens.
    ///
    /// Pages past the capacity are left out; a cache that has begun stays as it is.
    pub fn start_with(&mut self, pages: impl IntoIterator<Item = FullPage>) {
        if self.tokens > 0 {
            return;
        }
        let most = self.capacity / PAGE_TOKENS;
        let own = |page: &FullPage| Arc::ptr_eq(&page.0.home, &self.pool);
        self.pages = pages
            .into_iter()
            .take(most)
            .take_while(own)
            .map(|page| page.0)
            .collect();
        self.tokens = self.pages.len() * PAGE_TOKENS;
    }

    /// Makes room for so many tokens more.
    pub(super) fn reserve(&mut self, tokens: usize) {
        let pages = (self.tokens + tokens).div_ceil(PAGE_TOKENS);
        while self.pages.len() < pages {
            self.pages.push(Arc::new(self.pool.take()));
        }
    }

    /// Sets keys and values, `[kv_head][head_dim]` each, of a token for which there is room.
    pub(super) fn set(&mut self, layer: usize, token: usize, keys: &[f32], values: &[f32]) {
        if let Some(page) = self.pages.get_mut(token / PAGE_TOKENS) {
            // Shared pages are full, so this copies nothing; if it ever had to, the others would keep theirs.
            Arc::make_mut(page).set(layer, token % PAGE_TOKENS, keys, values);
        }
    }

    pub(super) fn pages(&self) -> &[Arc<Page>] {
        &self.pages
    }

    pub(super) fn advance(&mut self, tokens: usize) {
        self.tokens += tokens;
    }
}
