//! Small PDFs, written by hand: what an agreement looks like, and what must not pass for one.

/// A PDF with a page for each text; a page whose text is empty is like a scan, it has a drawing only.
pub(crate) fn pdf(pages: &[&str]) -> Vec<u8> {
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        String::new(),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
            .to_owned(),
    ];
    let mut kids = Vec::new();
    for text in pages {
        let content = if text.is_empty() {
            "q 0.5 g 72 72 400 600 re f Q".to_owned()
        } else {
            shown(text)
        };
        kids.push(format!("{} 0 R", objects.len() + 1));
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {} 0 R /Resources << /Font << /F1 3 0 R >> >> >>",
            objects.len() + 2
        ));
        objects.push(stream("", &content));
    }
    objects[1] = format!(
        "<< /Type /Pages /Count {} /Kids [{}] >>",
        kids.len(),
        kids.join(" ")
    );
    file(&objects, "")
}

/// A PDF that says that it is encrypted.
pub(crate) fn encrypted() -> Vec<u8> {
    let content = shown("Geheim");
    let objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Count 1 /Kids [4 0 R] >>".to_owned(),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R /Resources << /Font << /F1 3 0 R >> >> >>".to_owned(),
        stream("", &content),
        format!(
            "<< /Filter /Standard /V 1 /R 2 /P -4 /O <{}> /U <{}> >>",
            "ab".repeat(32),
            "cd".repeat(32)
        ),
    ];
    let id = "0123456789abcdef0123456789abcdef";
    file(&objects, &format!("/Encrypt 6 0 R /ID [<{id}> <{id}>]"))
}

/// A small PDF whose one page takes for ever: each drawing draws the next one ten times, ten deep.
pub(crate) fn laughs() -> Vec<u8> {
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Count 1 /Kids [4 0 R] >>".to_owned(),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R /Resources << /XObject << /X 6 0 R >> >> >>".to_owned(),
        stream("", &"/X Do ".repeat(10)),
    ];
    for next in 7..17 {
        objects.push(stream(
            &format!("/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X {next} 0 R >> >>"),
            &"/X Do ".repeat(10),
        ));
    }
    objects.push(stream(
        "/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /Font << /F1 3 0 R >> >>",
        "BT /F1 9 Tf (ha) Tj ET",
    ));
    file(&objects, "")
}

/// A PDF of some 2 MB whose one page is 2 GB of blanks once it is unpacked.
pub(crate) fn bomb() -> Vec<u8> {
    let blank = vec![b' '; 1 << 20];
    let mut packer = flate2::Compress::new(flate2::Compression::best(), false);
    let mut pack = || {
        let mut packed = Vec::with_capacity(1 << 16);
        packer
            .compress_vec(&blank, &mut packed, flate2::FlushCompress::Full)
            .unwrap();
        packed
    };
    // A full flush forgets what came before: the second block can stand there any number of times.
    let (first, block) = (pack(), pack());
    let mut packed = vec![0x78, 0x9c];
    packed.extend_from_slice(&first);
    for _ in 0..2047 {
        packed.extend_from_slice(&block);
    }
    packed.extend_from_slice(&[0x03, 0x00]);
    let mut page = format!(
        "<< /Filter /FlateDecode /Length {} >>\nstream\n",
        packed.len()
    )
    .into_bytes();
    page.extend_from_slice(&packed);
    page.extend_from_slice(b"\nendstream");
    let objects: Vec<Vec<u8>> = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>".to_vec(),
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << >> >>"
            .to_vec(),
        page,
    ];
    file(&objects, "")
}

/// Text in lines, a page of print.
fn shown(text: &str) -> String {
    let mut content = "BT /F1 11 Tf 14 TL 60 780 Td\n".to_owned();
    for line in text.lines() {
        let bytes: String = line
            .chars()
            .map(|c| match c {
                '(' | ')' | '\\' => format!("\\{c}"),
                // WinAnsi agrees with Latin-1 here.
                c if (c as u32) > 126 => format!("\\{:03o}", c as u32),
                c => c.to_string(),
            })
            .collect();
        content.push_str(&format!("({bytes}) Tj T*\n"));
    }
    content.push_str("ET");
    content
}

fn stream(entries: &str, content: &str) -> String {
    format!(
        "<< {entries} /Length {} >>\nstream\n{content}\nendstream",
        content.len()
    )
}

fn file<T: AsRef<[u8]>>(objects: &[T], trailer: &str) -> Vec<u8> {
    let mut bytes = b"%PDF-1.7\n".to_vec();
    let mut places = Vec::new();
    for (number, object) in (1..).zip(objects) {
        places.push(bytes.len());
        bytes.extend_from_slice(format!("{number} 0 obj\n").as_bytes());
        bytes.extend_from_slice(object.as_ref());
        bytes.extend_from_slice(b"\nendobj\n");
    }
    let table = bytes.len();
    bytes.extend_from_slice(
        format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).as_bytes(),
    );
    for place in places {
        bytes.extend_from_slice(format!("{place:010} 00000 n \n").as_bytes());
    }
    bytes.extend_from_slice(
        format!(
            "trailer\n<< /Size {} /Root 1 0 R {trailer} >>\nstartxref\n{table}\n%%EOF\n",
            objects.len() + 1
        )
        .as_bytes(),
    );
    bytes
}
