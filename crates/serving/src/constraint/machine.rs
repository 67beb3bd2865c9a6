use std::sync::Arc;

use super::{
    scalar::{Digits, Inside, Part},
    schema::{Member, Node, Place, Schema},
};

/// Deepest nesting of an answer; a model must not open brackets for ever.
const MOST_FRAMES: usize = 96;
/// Most ways in which one text is read at once.
const MOST_WAYS: usize = 64;

/// All places in a schema where a text may be.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    schema: Arc<Schema>,
    ways: Vec<Way>,
}

/// What must come, the next at the end.
type Way = Vec<Frame>;

/// One thing that must come.
#[derive(Debug, Clone, PartialEq)]
enum Frame {
    /// These bytes from a place on.
    Text(Arc<[u8]>, usize),
    Value(Place),
    /// A space, or none.
    Space,
    /// The rest of a string.
    String(Part),
    /// The rest of a number.
    Number {
        state: Digits,
        is_whole: bool,
    },
    /// The members from this one on, or the end.
    Members {
        place: Place,
        next: usize,
        is_first: bool,
    },
    /// Entries of a map, or its end; a name of any kind first.
    Map {
        value: Place,
        is_first: bool,
    },
    /// Items of a list, or its end.
    List {
        place: Place,
        count: u32,
    },
    /// As `Map` and `List`, where anything goes.
    AnyMap {
        is_first: bool,
    },
    AnyList {
        is_first: bool,
    },
    Anything,
}

impl Machine {
    pub(super) fn new(schema: Arc<Schema>) -> Self {
        Self {
            schema,
            ways: vec![vec![Frame::Value(0)]],
        }
    }

    /// Behind one more byte; without ways where the byte cannot come.
    pub(super) fn step(&self, byte: u8) -> Self {
        let mut next = Self {
            schema: Arc::clone(&self.schema),
            ways: Vec::new(),
        };
        for way in &self.ways {
            self.follow(way.clone(), byte, &mut next.ways);
        }
        next
    }

    /// Whether the byte cannot come, or what came before it could not.
    pub(super) fn is_dead(&self) -> bool {
        self.ways.is_empty()
    }

    /// Whether the text may be over.
    pub(super) fn may_end(&self) -> bool {
        self.ways.iter().any(|way| match way.as_slice() {
            [] => true,
            [Frame::Number { state, .. }] => state.may_end(),
            _ => false,
        })
    }

    /// Whether nothing more can come.
    pub(super) fn must_end(&self) -> bool {
        self.ways.iter().all(Vec::is_empty)
    }

    /// Whether the text is inside a string of any length, where every character may come.
    pub(super) fn takes_any_character(&self) -> bool {
        self.ways.iter().any(|way| {
            matches!(
                way.last(),
                Some(Frame::String(Part {
                    state: Inside::Plain,
                    most: u32::MAX,
                    ..
                }))
            )
        })
    }

    fn follow(&self, mut way: Way, byte: u8, out: &mut Vec<Way>) {
        if way.len() > MOST_FRAMES || out.len() >= MOST_WAYS {
            return;
        }
        let Some(frame) = way.pop() else {
            return;
        };
        match frame {
            Frame::Text(bytes, at) => {
                if bytes.get(at) == Some(&byte) {
                    if at + 1 < bytes.len() {
                        way.push(Frame::Text(bytes, at + 1));
                    }
                    keep(way, out);
                }
            }
            Frame::Space if byte == b' ' => keep(way, out),
            Frame::Space => self.follow(way, byte, out),
            Frame::String(part) => {
                if let Some(part) = part.step(byte) {
                    way.extend(part.map(Frame::String));
                    keep(way, out);
                }
            }
            Frame::Number { state, is_whole } => match state.step(byte, is_whole) {
                Some(state) => {
                    way.push(Frame::Number { state, is_whole });
                    keep(way, out);
                }
                None if state.may_end() => self.follow(way, byte, out),
                None => {}
            },
            Frame::Value(place) => self.begin(place, way, byte, out),
            Frame::Anything => begin_anything(way, byte, out),
            Frame::Members {
                place,
                next,
                is_first,
            } => self.member((place, next, is_first), &way, byte, out),
            Frame::Map { value, is_first } => {
                let again = Frame::Map {
                    value,
                    is_first: false,
                };
                entry(way, byte, is_first, (again, Frame::Value(value)), out);
            }
            Frame::AnyMap { is_first } => {
                let again = Frame::AnyMap { is_first: false };
                entry(way, byte, is_first, (again, Frame::Anything), out);
            }
            Frame::List { place, count } => {
                let Some(Node::List { items, least, most }) = self.schema.nodes.get(place) else {
                    return;
                };
                if byte == b']' && count >= *least {
                    keep(way, out);
                } else if count < *most {
                    way.push(Frame::List {
                        place,
                        count: count.saturating_add(1),
                    });
                    self.item(way, byte, count == 0, Frame::Value(*items), out);
                }
            }
            Frame::AnyList { is_first } => {
                if byte == b']' {
                    keep(way, out);
                } else {
                    way.push(Frame::AnyList { is_first: false });
                    self.item(way, byte, is_first, Frame::Anything, out);
                }
            }
        }
    }

    /// An item of a list, behind a comma unless it is the first.
    fn item(&self, mut way: Way, byte: u8, is_first: bool, value: Frame, out: &mut Vec<Way>) {
        way.push(value);
        if is_first {
            self.follow(way, byte, out);
        } else if byte == b',' {
            way.push(Frame::Space);
            keep(way, out);
        }
    }

    fn begin(&self, place: Place, mut way: Way, byte: u8, out: &mut Vec<Way>) {
        let Some(node) = self.schema.nodes.get(place) else {
            return;
        };
        match node {
            Node::Any => begin_anything(way, byte, out),
            Node::Texts(texts) => {
                for text in texts {
                    let mut way = way.clone();
                    way.push(Frame::Text(Arc::clone(text), 0));
                    self.follow(way, byte, out);
                }
            }
            Node::Text { least, most } => {
                if byte == b'"' {
                    way.push(Frame::String(Part {
                        state: Inside::Plain,
                        count: 0,
                        least: *least,
                        most: *most,
                    }));
                    keep(way, out);
                }
            }
            Node::Number { is_whole } => {
                way.push(Frame::Number {
                    state: Digits::Start,
                    is_whole: *is_whole,
                });
                self.follow(way, byte, out);
            }
            Node::Members(_) if byte == b'{' => {
                way.push(Frame::Members {
                    place,
                    next: 0,
                    is_first: true,
                });
                keep(way, out);
            }
            Node::Map(value) if byte == b'{' => {
                way.push(Frame::Map {
                    value: *value,
                    is_first: true,
                });
                keep(way, out);
            }
            Node::List { .. } if byte == b'[' => {
                way.push(Frame::List { place, count: 0 });
                keep(way, out);
            }
            Node::Members(_) | Node::Map(_) | Node::List { .. } => {}
            Node::Either(places) => {
                for place in places {
                    let mut way = way.clone();
                    way.push(Frame::Value(*place));
                    self.follow(way, byte, out);
                }
            }
        }
    }

    /// The next member that may come, or the end of the object.
    fn member(
        &self,
        (place, next, is_first): (Place, usize, bool),
        way: &Way,
        byte: u8,
        out: &mut Vec<Way>,
    ) {
        let Some(Node::Members(members)) = self.schema.nodes.get(place) else {
            return;
        };
        let rest = members.get(next..).unwrap_or_default();
        if byte == b'}' && !rest.iter().any(|member| member.is_required) {
            keep(way.clone(), out);
            return;
        }
        for (skipped, member) in rest.iter().enumerate() {
            let Member { opening, value, .. } = member;
            let mut way = way.clone();
            way.push(Frame::Members {
                place,
                next: next + skipped + 1,
                is_first: false,
            });
            way.push(Frame::Value(*value));
            way.push(Frame::Space);
            way.push(Frame::Text(Arc::clone(opening), 0));
            if is_first {
                self.follow(way, byte, out);
            } else if byte == b',' {
                way.push(Frame::Space);
                keep(way, out);
            }
            if member.is_required {
                return;
            }
        }
    }
}

/// An entry of a map with any name, or the end of the map.
fn entry(
    mut way: Way,
    byte: u8,
    is_first: bool,
    (again, value): (Frame, Frame),
    out: &mut Vec<Way>,
) {
    if byte == b'}' {
        keep(way, out);
        return;
    }
    way.extend([again, value, Frame::Space, Frame::Text((*b":").into(), 0)]);
    if is_first && byte == b'"' {
        way.push(Frame::String(Part::any(Inside::Plain)));
        keep(way, out);
    } else if !is_first && byte == b',' {
        way.push(Frame::String(Part::any(Inside::Opening)));
        way.push(Frame::Space);
        keep(way, out);
    }
}

fn begin_anything(mut way: Way, byte: u8, out: &mut Vec<Way>) {
    let text = |text: &[u8]| Frame::Text(text.into(), 1);
    way.push(match byte {
        b'{' => Frame::AnyMap { is_first: true },
        b'[' => Frame::AnyList { is_first: true },
        b'"' => Frame::String(Part::any(Inside::Plain)),
        b't' => text(b"true"),
        b'f' => text(b"false"),
        b'n' => text(b"null"),
        _ => match Digits::Start.step(byte, false) {
            Some(state) => Frame::Number {
                state,
                is_whole: false,
            },
            None => return,
        },
    });
    keep(way, out);
}

fn keep(way: Way, out: &mut Vec<Way>) {
    if !out.contains(&way) {
        out.push(way);
    }
}
