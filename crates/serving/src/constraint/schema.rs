use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use serde_json::{Map, Value};

/// Most nodes of a schema.
const MOST_NODES: usize = 4096;
/// Deepest nesting of a schema's text.
const MOST_DEPTH: usize = 64;

/// What a text must be, as nodes that refer to each other; the first is the whole text.
#[derive(Debug)]
pub struct Schema {
    pub(super) nodes: Vec<Node>,
}

/// The number of a node.
pub(super) type Place = usize;

/// One form of value.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// Any JSON value.
    Any,
    /// One of these texts.
    Texts(Vec<Arc<[u8]>>),
    /// A string of so many characters.
    Text { least: u32, most: u32 },
    /// A number; whole or not.
    Number { is_whole: bool },
    /// An object with these members in this order.
    Members(Vec<Member>),
    /// An object with any names.
    Map(Place),
    /// A list.
    List { items: Place, least: u32, most: u32 },
    /// One of these forms.
    Either(Vec<Place>),
}

#[derive(Debug, Clone)]
pub(super) struct Member {
    /// The name as it is written, with the colon.
    pub(super) opening: Arc<[u8]>,
    pub(super) value: Place,
    pub(super) is_required: bool,
}

/// Why a schema is not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SchemaError {
    #[error("{0} is not supported")]
    Unsupported(String),
    #[error("{0} is not valid")]
    Invalid(String),
    #[error("the schema is too large")]
    TooLarge,
}

/// Says something about a value, and forbids none.
const ANNOTATIONS: [&str; 12] = [
    "title",
    "description",
    "default",
    "examples",
    "example",
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "definitions",
    "deprecated",
    "readOnly",
];

impl Schema {
    /// Any object.
    pub fn any_object() -> Self {
        Self {
            nodes: vec![Node::Map(1), Node::Any],
        }
    }

    /// Reads a JSON schema.
    ///
    /// # Errors
    /// Where a keyword would have to be ignored though it forbids something, or does not fit.
    pub fn parse(schema: &Value) -> Result<Self, SchemaError> {
        let mut reader = Reader {
            root: schema,
            nodes: Vec::new(),
            references: HashMap::new(),
        };
        reader.read(schema, 0)?;
        let mut nodes = reader.nodes;
        for place in 0..nodes.len() {
            if matches!(nodes.get(place), Some(Node::Either(_))) {
                let forms = forms(&nodes, place);
                if forms.is_empty() {
                    return Err(invalid("a schema that only refers to itself"));
                }
                if let Some(node) = nodes.get_mut(place) {
                    *node = Node::Either(forms);
                }
            }
        }
        Ok(Self { nodes })
    }
}

/// What a choice comes down to, choices in it included; so no choice leads to itself, or to many ways to the same.
fn forms(nodes: &[Node], place: Place) -> Vec<Place> {
    let (mut open, mut seen, mut found) = (vec![place], HashSet::new(), Vec::new());
    while let Some(place) = open.pop() {
        if !seen.insert(place) {
            continue;
        }
        match nodes.get(place) {
            Some(Node::Either(places)) => open.extend(places.iter().rev()),
            Some(_) => found.push(place),
            None => {}
        }
    }
    found
}

struct Reader<'a> {
    root: &'a Value,
    nodes: Vec<Node>,
    references: HashMap<String, Place>,
}

impl Reader<'_> {
    fn read(&mut self, schema: &Value, depth: usize) -> Result<Place, SchemaError> {
        if self.nodes.len() >= MOST_NODES || depth > MOST_DEPTH {
            return Err(SchemaError::TooLarge);
        }
        // The place is taken first, so that a schema can refer to itself.
        let place = self.nodes.len();
        self.nodes.push(Node::Any);
        let node = self.node(schema, depth)?;
        if let Some(free) = self.nodes.get_mut(place) {
            *free = node;
        }
        Ok(place)
    }

    fn node(&mut self, schema: &Value, depth: usize) -> Result<Node, SchemaError> {
        let map = match schema {
            Value::Bool(true) => return Ok(Node::Any),
            Value::Object(map) => map,
            _ => return Err(invalid("a schema that is no object")),
        };
        if let Some(target) = map.get("$ref") {
            only(map, &["$ref"])?;
            return Ok(Node::Either(vec![self.refer(target, depth)?]));
        }
        if let Some(value) = map.get("const") {
            only(map, &["const", "type"])?;
            return Ok(Node::Texts(vec![written(value)]));
        }
        if let Some(values) = map.get("enum") {
            only(map, &["enum", "type"])?;
            let values = values.as_array().filter(|values| !values.is_empty());
            let values = values.ok_or_else(|| invalid("enum"))?;
            return Ok(Node::Texts(values.iter().map(written).collect()));
        }
        for name in ["anyOf", "allOf"] {
            let Some(forms) = map.get(name) else {
                continue;
            };
            only(map, &[name])?;
            let forms = forms.as_array().filter(|forms| !forms.is_empty());
            let forms = forms.ok_or_else(|| invalid(name))?;
            if name == "allOf" && forms.len() > 1 {
                return Err(unsupported("allOf of several schemas"));
            }
            let read = |form| self.read(form, depth + 1);
            return Ok(Node::Either(
                forms.iter().map(read).collect::<Result<_, _>>()?,
            ));
        }
        match map.get("type") {
            Some(Value::String(kind)) => self.typed(kind, map, depth),
            Some(Value::Array(kinds)) => {
                let mut forms = Vec::new();
                for kind in kinds {
                    let kind = kind.as_str().ok_or_else(|| invalid("type"))?;
                    let node = self.typed(kind, &of_type(kind, map), depth)?;
                    forms.push(self.nodes.len());
                    self.nodes.push(node);
                }
                Ok(Node::Either(forms))
            }
            Some(_) => Err(invalid("type")),
            None if map.contains_key("properties") => self.typed("object", map, depth),
            None => {
                only(map, &[])?;
                Ok(Node::Any)
            }
        }
    }

    /// What a reference leads to, read once.
    fn refer(&mut self, target: &Value, depth: usize) -> Result<Place, SchemaError> {
        let target = target.as_str().ok_or_else(|| invalid("$ref"))?;
        if target == "#" {
            return Ok(0);
        }
        if let Some(place) = self.references.get(target) {
            return Ok(*place);
        }
        let root: &Value = self.root;
        let schema = target
            .strip_prefix('#')
            .and_then(|pointer| root.pointer(pointer))
            .ok_or_else(|| unsupported(&format!("the reference {target:?}")))?;
        // Known before it is read: it may lead to itself.
        self.references.insert(target.to_owned(), self.nodes.len());
        self.read(schema, depth + 1)
    }

    fn any(&mut self) -> Place {
        self.nodes.push(Node::Any);
        self.nodes.len() - 1
    }

    fn typed(
        &mut self,
        kind: &str,
        map: &Map<String, Value>,
        depth: usize,
    ) -> Result<Node, SchemaError> {
        let number = |name: &str, otherwise: u32| match map.get(name) {
            None => Ok(otherwise),
            Some(value) => {
                let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
                number.ok_or_else(|| invalid(name))
            }
        };
        match kind {
            "null" => only(map, &["type"]).map(|()| Node::Texts(vec![(*b"null").into()])),
            "boolean" => only(map, &["type"])
                .map(|()| Node::Texts(vec![(*b"true").into(), (*b"false").into()])),
            "number" | "integer" => only(map, &["type"]).map(|()| Node::Number {
                is_whole: kind == "integer",
            }),
            "string" => {
                only(map, &["type", "minLength", "maxLength"])?;
                Ok(Node::Text {
                    least: number("minLength", 0)?,
                    most: number("maxLength", u32::MAX)?,
                })
            }
            "array" => {
                only(map, &["type", "items", "minItems", "maxItems"])?;
                let items = match map.get("items") {
                    Some(items) => self.read(items, depth + 1)?,
                    None => self.any(),
                };
                Ok(Node::List {
                    items,
                    least: number("minItems", 0)?,
                    most: number("maxItems", u32::MAX)?,
                })
            }
            "object" => self.object(map, depth),
            _ => Err(unsupported(&format!("the type {kind:?}"))),
        }
    }

    fn object(&mut self, map: &Map<String, Value>, depth: usize) -> Result<Node, SchemaError> {
        only(
            map,
            &["type", "properties", "required", "additionalProperties"],
        )?;
        let empty = Map::new();
        let properties = match map.get("properties") {
            None => &empty,
            Some(Value::Object(properties)) => properties,
            Some(_) => return Err(invalid("properties")),
        };
        let required: Vec<&str> = match map.get("required") {
            None => Vec::new(),
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            Some(_) => return Err(invalid("required")),
        };
        if let Some(name) = required
            .iter()
            .find(|name| !properties.contains_key(**name))
        {
            return Err(unsupported(&format!(
                "the required member {name:?} that properties do not describe"
            )));
        }
        let others = map.get("additionalProperties");
        if properties.is_empty() && others != Some(&Value::Bool(false)) {
            // Only here may there be others: next to named members none is ever written, which is always allowed.
            return Ok(Node::Map(match others {
                None | Some(Value::Bool(true)) => self.any(),
                Some(schema) => self.read(schema, depth + 1)?,
            }));
        }
        let mut members = Vec::new();
        for (name, schema) in properties {
            let mut opening = written(&Value::String(name.clone())).to_vec();
            opening.push(b':');
            members.push(Member {
                opening: opening.into(),
                value: self.read(schema, depth + 1)?,
                is_required: required.contains(&name.as_str()),
            });
        }
        Ok(Node::Members(members))
    }
}

/// Of a schema with several types, what is about this one.
fn of_type(kind: &str, map: &Map<String, Value>) -> Map<String, Value> {
    let own: &[&str] = match kind {
        "string" => &["minLength", "maxLength"],
        "array" => &["items", "minItems", "maxItems"],
        "object" => &["properties", "required", "additionalProperties"],
        _ => &[],
    };
    let all = [
        "minLength",
        "maxLength",
        "items",
        "minItems",
        "maxItems",
        "properties",
        "required",
        "additionalProperties",
    ];
    let is_own = |name: &str| own.contains(&name) || !all.contains(&name);
    map.iter()
        .filter(|(name, _)| is_own(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn only(map: &Map<String, Value>, known: &[&str]) -> Result<(), SchemaError> {
    let is_known =
        |name: &&String| known.contains(&name.as_str()) || ANNOTATIONS.contains(&name.as_str());
    match map.keys().find(|name| !is_known(name)) {
        None => Ok(()),
        Some(name) => Err(unsupported(&format!("the keyword {name:?} here"))),
    }
}

/// A value as it is written without spaces.
fn written(value: &Value) -> Arc<[u8]> {
    value.to_string().into_bytes().into()
}

fn invalid(what: &str) -> SchemaError {
    SchemaError::Invalid(what.to_owned())
}

fn unsupported(what: &str) -> SchemaError {
    SchemaError::Unsupported(what.to_owned())
}
