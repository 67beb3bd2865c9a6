//! A document as a page shows it.

use crate::{
    disclosures::{
        difference::Difference,
        document::{Content, Document, Field, Item, Source},
        kind::Kind,
    },
    web::Lang,
};

pub(super) struct SourceView {
    pub(super) label: String,
    pub(super) title: String,
    pub(super) href: String,
}

pub(super) struct ItemView {
    pub(super) text: String,
    pub(super) sources: Vec<SourceView>,
}

pub(super) struct FieldView {
    pub(super) id: String,
    pub(super) label: String,
    /// For whom it is meant; empty where the document does not say.
    pub(super) audience: String,
    pub(super) text: String,
    /// Where the text is an address.
    pub(super) address: Option<String>,
    pub(super) items: Vec<ItemView>,
    pub(super) sources: Vec<SourceView>,
    pub(super) missing: Option<MissingView>,
}

pub(super) struct MissingView {
    pub(super) label: String,
    pub(super) who: String,
    pub(super) href: String,
}

pub(super) struct SectionView {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) fields: Vec<FieldView>,
}

pub(super) struct DifferenceView {
    pub(super) label: String,
    pub(super) change: String,
    pub(super) before: String,
    pub(super) after: String,
}

/// The sections of a document in a language.
pub(super) fn sections(lang: Lang, document: &Document) -> Vec<SectionView> {
    document
        .sections
        .iter()
        .map(|section| SectionView {
            id: section.id.clone(),
            title: section.title.of_lang(lang).to_owned(),
            fields: section
                .fields
                .iter()
                .map(|field| field_view(lang, field))
                .collect(),
        })
        .collect()
}

fn field_view(lang: Lang, field: &Field) -> FieldView {
    let mut view = FieldView {
        id: field.id.clone(),
        label: field.label.of_lang(lang).to_owned(),
        audience: field
            .audience
            .iter()
            .map(|one| lang.t(&format!("disclosure-audience-{}", one.name())))
            .collect::<Vec<_>>()
            .join(", "),
        text: String::new(),
        address: None,
        items: Vec::new(),
        sources: Vec::new(),
        missing: None,
    };
    match &field.content {
        Content::Stated { text, source, .. } => {
            text.of_lang(lang).clone_into(&mut view.text);
            let is_address = |text: &String| {
                (text.starts_with("https://") || text.starts_with("http://"))
                    && !text.contains(char::is_whitespace)
            };
            view.address = Some(view.text.clone()).filter(is_address);
            view.sources = sources(lang, source);
        }
        Content::Listed {
            items,
            none,
            source,
        } => {
            view.sources = sources(lang, source);
            if items.is_empty() {
                none.of_lang(lang).clone_into(&mut view.text);
            }
            view.items = items.iter().map(|item| item_view(lang, item)).collect();
        }
        Content::Missing { who, href } => {
            view.missing = Some(missing_view(lang, &view.label, who, href));
        }
    }
    view
}

fn item_view(lang: Lang, item: &Item) -> ItemView {
    ItemView {
        text: item.text.of_lang(lang).to_owned(),
        sources: sources(lang, &item.source),
    }
}

/// Who can supply a missing fact, and where.
pub(super) fn missing_view(lang: Lang, label: &str, who: &str, href: &str) -> MissingView {
    MissingView {
        label: label.to_owned(),
        who: lang.t(&format!("role-{who}")),
        href: format!("/{lang}{href}"),
    }
}

fn sources(lang: Lang, sources: &[Source]) -> Vec<SourceView> {
    sources
        .iter()
        .map(|source| {
            let is_elsewhere = source.href.starts_with("http");
            let kind = source.kind.replace('_', "-");
            let name = lang.t(&format!("disclosure-source-{kind}"));
            // The end of an id is where those of one moment differ.
            let end = source
                .id
                .get(source.id.len().saturating_sub(8)..)
                .unwrap_or_default();
            SourceView {
                label: if is_elsewhere {
                    name
                } else {
                    format!("{name} …{end}")
                },
                title: source.id.clone(),
                href: if is_elsewhere {
                    source.href.clone()
                } else {
                    format!("/{lang}{}", source.href)
                },
            }
        })
        .collect()
}

/// What changed since the version before.
pub(super) fn differences(lang: Lang, found: &[Difference]) -> Vec<DifferenceView> {
    found
        .iter()
        .map(|one| DifferenceView {
            label: one.label.of_lang(lang).to_owned(),
            change: lang.t(&format!("disclosure-change-{}", one.change.name())),
            before: one.before.of_lang(lang).to_owned(),
            after: one.after.of_lang(lang).to_owned(),
        })
        .collect()
}

/// The name of a document.
pub(super) fn title(lang: Lang, kind: Kind) -> String {
    lang.t(&format!(
        "disclosure-kind-{}",
        kind.name().replace('_', "-")
    ))
}
