//! Pages of keys, of versions and of uploads, in the order of their bytes.

use super::{
    Store, StoreError,
    objects::order_of,
    record::{Upload, Version},
    tables::{Snapshot, decode},
    walk::{Filter, behind, just_behind},
};

/// The most entries one page may have; S3's own limit.
pub(crate) const MAX_PAGE: usize = 1000;

/// Where a page starts: behind an entry of the page before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum After {
    #[default]
    Start,
    /// Behind this key and all its versions.
    Key(String),
    /// Behind one version (or upload) of this key.
    Item(String, String),
    /// Behind all keys with this prefix.
    Prefix(String),
}

/// One line of a page.
#[derive(Debug, Clone)]
pub(crate) enum Entry<T> {
    Item(String, T),
    Prefix(String),
}

/// One page, and where the next one starts.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) entries: Vec<Entry<T>>,
    pub(crate) next: Option<After>,
}

/// A version in a list of versions.
#[derive(Debug, Clone)]
pub(crate) struct ListedVersion {
    pub(crate) version: Version,
    pub(crate) is_latest: bool,
}

/// Gathers entries up to the limit.
struct Gather<T> {
    entries: Vec<Entry<T>>,
    limit: usize,
}

impl<T> Gather<T> {
    fn is_full(&self) -> bool {
        self.entries.len() >= self.limit
    }

    fn page(self, is_more: bool, after: impl Fn(&str, &T) -> After) -> Page<T> {
        let last = self.entries.last().filter(|_| is_more);
        let next = last.map(|entry| match entry {
            Entry::Item(key, item) => after(key, item),
            Entry::Prefix(prefix) => After::Prefix(prefix.clone()),
        });
        Page {
            entries: self.entries,
            next,
        }
    }
}

impl Store {
    /// Keys whose newest version is an object.
    pub(crate) async fn list(
        &self,
        bucket: String,
        filter: Filter,
        after: After,
        limit: usize,
    ) -> Result<Page<Version>, StoreError> {
        self.read(move |tables| {
            tables.bucket(&bucket)?;
            let mut gather = Gather {
                entries: Vec::new(),
                limit: limit.min(MAX_PAGE),
            };
            let is_more = walk_newest(tables, &bucket, &filter, after, &mut gather)?;
            Ok(gather.page(is_more, |key, _| After::Key(key.to_owned())))
        })
        .await
    }

    /// All versions and delete markers, the newest of a key first.
    pub(crate) async fn list_versions(
        &self,
        bucket: String,
        filter: Filter,
        after: After,
        limit: usize,
    ) -> Result<Page<ListedVersion>, StoreError> {
        self.read(move |tables| {
            tables.bucket(&bucket)?;
            let mut gather = Gather {
                entries: Vec::new(),
                limit: limit.min(MAX_PAGE),
            };
            let is_more = walk_versions(tables, &bucket, &filter, after, &mut gather)?;
            Ok(gather.page(is_more, |key, listed| {
                After::Item(key.to_owned(), listed.version.id.clone())
            }))
        })
        .await
    }

    /// Uploads that are neither complete nor aborted, with their ids.
    pub(crate) async fn list_uploads(
        &self,
        bucket: String,
        filter: Filter,
        after: After,
        limit: usize,
    ) -> Result<Page<(String, Upload)>, StoreError> {
        self.read(move |tables| {
            tables.bucket(&bucket)?;
            let mut gather = Gather {
                entries: Vec::new(),
                limit: limit.min(MAX_PAGE),
            };
            let is_more = walk_uploads(tables, &bucket, &filter, after, &mut gather)?;
            Ok(gather.page(is_more, |key, (upload, _)| {
                After::Item(key.to_owned(), upload.clone())
            }))
        })
        .await
    }
}

/// The first key that a page may hold; `None` where nothing can follow.
fn start(filter: &Filter, after: &After) -> Option<String> {
    let start = match after {
        After::Start => String::new(),
        After::Key(key) => just_behind(key),
        After::Item(key, _) => key.clone(),
        After::Prefix(prefix) => behind(prefix)?,
    };
    Some(start.max(filter.prefix.clone()))
}

fn walk_newest(
    tables: &Snapshot,
    bucket: &str,
    filter: &Filter,
    after: After,
    gather: &mut Gather<Version>,
) -> Result<bool, StoreError> {
    let mut from = start(filter, &after);
    // Each turn looks at one key and then jumps behind it, or behind the prefix it folds under.
    while let Some(key) = from {
        let first = tables.versions.range((bucket, key.as_str(), 0)..)?.next();
        let Some(row) = first.transpose()? else {
            return Ok(false);
        };
        let (found_bucket, found, _) = row.0.value();
        if found_bucket != bucket || !found.starts_with(filter.prefix.as_str()) {
            return Ok(false);
        }
        let version: Version = decode(row.1.value())?;
        if version.content.is_none() {
            from = Some(just_behind(found));
            continue;
        }
        if gather.is_full() {
            return Ok(true);
        }
        if let Some(prefix) = filter.fold(found) {
            gather.entries.push(Entry::Prefix(prefix.to_owned()));
            from = behind(prefix);
        } else {
            gather.entries.push(Entry::Item(found.to_owned(), version));
            from = Some(just_behind(found));
        }
    }
    Ok(false)
}

fn walk_versions(
    tables: &Snapshot,
    bucket: &str,
    filter: &Filter,
    after: After,
    gather: &mut Gather<ListedVersion>,
) -> Result<bool, StoreError> {
    let mut from = start(filter, &after);
    let (mut newest_of, mut order, mut passing) = match after {
        // The marked version may be gone by now; its place is known from its id, except for the null version,
        // which is passed over by name.
        After::Item(key, id) => {
            let order = order_of(&id).map(|order| order.saturating_add(1));
            let passing = order.is_none().then_some(id);
            (key, order.unwrap_or(0), passing)
        }
        After::Start | After::Key(_) | After::Prefix(_) => (String::new(), 0, None),
    };
    while let Some(start) = from.take() {
        for row in tables.versions.range((bucket, start.as_str(), order)..)? {
            let row = row?;
            let (found_bucket, key, _) = row.0.value();
            if found_bucket != bucket || !key.starts_with(filter.prefix.as_str()) {
                return Ok(false);
            }
            let version: Version = decode(row.1.value())?;
            let is_latest = newest_of != key;
            if is_latest {
                key.clone_into(&mut newest_of);
                passing = None;
            }
            if let Some(marked) = &passing {
                if version.id == *marked {
                    passing = None;
                }
                continue;
            }
            if gather.is_full() {
                return Ok(true);
            }
            if let Some(prefix) = filter.fold(key) {
                gather.entries.push(Entry::Prefix(prefix.to_owned()));
                from = behind(prefix);
                break;
            }
            let listed = ListedVersion { version, is_latest };
            gather.entries.push(Entry::Item(key.to_owned(), listed));
        }
        order = 0;
    }
    Ok(false)
}

fn walk_uploads(
    tables: &Snapshot,
    bucket: &str,
    filter: &Filter,
    after: After,
    gather: &mut Gather<(String, Upload)>,
) -> Result<bool, StoreError> {
    let mut from = start(filter, &after);
    let mut marker = match after {
        After::Item(_, upload) => just_behind(&upload),
        After::Start | After::Key(_) | After::Prefix(_) => String::new(),
    };
    while let Some(start) = from.take() {
        let first = (bucket, start.as_str(), marker.as_str());
        for row in tables.uploads.range(first..)? {
            let row = row?;
            let (found_bucket, key, id) = row.0.value();
            if found_bucket != bucket || !key.starts_with(filter.prefix.as_str()) {
                return Ok(false);
            }
            if gather.is_full() {
                return Ok(true);
            }
            if let Some(prefix) = filter.fold(key) {
                gather.entries.push(Entry::Prefix(prefix.to_owned()));
                from = behind(prefix);
                break;
            }
            let upload = (id.to_owned(), decode(row.1.value())?);
            gather.entries.push(Entry::Item(key.to_owned(), upload));
        }
        marker.clear();
    }
    Ok(false)
}
