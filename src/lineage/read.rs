//! The graph around a node, as far as somebody may know it.
//!
//! Whoever may open a node sees its whole origin by name: that is what its receipt states. Of what came out of it
//! they see what they may open themselves; and of the rest, what came out of data of their own institution: that a
//! job or model of another institution used it, and its name, but of a key only whose it is.

use std::collections::BTreeSet;

use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    graph::{Graph, Kind, Node},
    store::{self, Found},
};
use crate::{
    db::{Db, StoreError},
    error::AppError,
    ids::InstitutionId,
    policy::{self, Action, Actor, Scope},
};

/// Why there is no graph.
#[derive(Debug, thiserror::Error)]
pub enum LineageError {
    /// There is no such node, or the one who asks may not know of it.
    #[error("there is no such node")]
    NotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for LineageError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<LineageError> for AppError {
    fn from(error: LineageError) -> Self {
        match error {
            LineageError::NotFound => Self::NotFound,
            LineageError::Store(why) => why.into(),
        }
    }
}

/// What came before and after a node, at most `limit` nodes each way, the nearest first.
///
/// # Errors
/// [`LineageError::NotFound`] also for a node of another institution.
pub async fn read(
    db: &Db,
    actor: &Actor,
    (kind, id): (Kind, Uuid),
    limit: usize,
) -> Result<Graph, LineageError> {
    let mut conn = db.read().await?;
    let roots = match kind {
        Kind::Dataset => store::versions(&mut conn, id).await?,
        _ => vec![id],
    };
    let found = store::nodes(&mut conn, &roots).await?;
    let is_right_kind = |node: &Found| kind == Kind::Dataset || node.kind == kind;
    let may_open_all = found
        .iter()
        .all(|node| is_right_kind(node) && may_open(actor, node));
    if found.is_empty() || !may_open_all {
        return Err(LineageError::NotFound);
    }
    let (upstream, up_is_cut) = walk(&mut conn, &roots, limit, Way::Up).await?;
    let (downstream, down_is_cut) = walk(&mut conn, &roots, limit, Way::Down).await?;
    let ids: Vec<Uuid> = roots
        .iter()
        .chain(&upstream)
        .chain(&downstream)
        .copied()
        .collect();
    let all = store::nodes(&mut conn, &ids).await?;
    let hidden: Vec<Uuid> = all
        .iter()
        .filter(|node| !upstream.contains(&node.id) && !may_open(actor, node))
        .map(|node| node.id)
        .collect();
    let known: BTreeSet<Uuid> = if hidden.is_empty() {
        BTreeSet::new()
    } else {
        let own = store::out_of_data_of(&mut conn, actor.institution, &hidden).await?;
        own.into_iter().collect()
    };
    let nodes: Vec<Node> = all
        .into_iter()
        .filter(|node| !hidden.contains(&node.id) || known.contains(&node.id))
        .map(|node| shown(actor, node))
        .collect();
    let ids: Vec<Uuid> = nodes.iter().map(|node| node.id).collect();
    Ok(Graph {
        edges: store::edges_among(&mut conn, &ids).await?,
        roots,
        nodes,
        upstream,
        is_cut: up_is_cut || down_is_cut,
    })
}

enum Way {
    Up,
    Down,
}

/// The nodes that are reached step by step, until there are enough.
async fn walk(
    conn: &mut PgConnection,
    roots: &[Uuid],
    limit: usize,
    way: Way,
) -> Result<(BTreeSet<Uuid>, bool), StoreError> {
    let most = i64::try_from(limit).unwrap_or(i64::MAX).saturating_mul(8);
    let mut reached = BTreeSet::new();
    let mut front: Vec<Uuid> = roots.to_vec();
    while !front.is_empty() {
        let step: BTreeSet<Uuid> = match way {
            Way::Up => store::edges_up(conn, &front, most)
                .await?
                .iter()
                .map(|edge| edge.from)
                .collect(),
            Way::Down => store::edges_down(conn, &front, most)
                .await?
                .iter()
                .map(|edge| edge.to)
                .collect(),
        };
        front.clear();
        for id in step {
            if reached.contains(&id) || roots.contains(&id) {
                continue;
            }
            if reached.len() == limit {
                return Ok((reached, true));
            }
            reached.insert(id);
            front.push(id);
        }
    }
    Ok((reached, false))
}

fn may_open(actor: &Actor, node: &Found) -> bool {
    let action = match node.kind {
        Kind::Dataset | Kind::DatasetVersion | Kind::CurationRun => Action::ViewDataset,
        Kind::Job => Action::ViewJob,
        Kind::Model | Kind::Deployment => Action::ViewModel,
        Kind::Key => Action::ViewKey,
    };
    let scope = Scope {
        is_published: node.is_published,
        ..Scope::of(InstitutionId(node.institution.0))
    };
    policy::check(actor, action, &scope).is_ok()
}

fn shown(actor: &Actor, node: Found) -> Node {
    let is_open = may_open(actor, &node);
    let may_name = is_open || !matches!(node.kind, Kind::Key | Kind::Deployment);
    Node {
        kind: node.kind,
        id: node.id,
        label: may_name.then_some(node.label),
        institution: node.institution,
        status: is_open.then_some(node.status),
        page: is_open.then_some(node.page),
        is_marked: node.is_marked,
        created_at: node.created_at,
    }
}
