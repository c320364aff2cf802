//! Writes comments and attributes as rustfmt formats them.

/// The width of a line with the default settings of rustfmt.
const LINE_WIDTH: usize = 100;

/// The width of the arguments of an attribute beyond which rustfmt writes each of them on a line of its own.
const ATTRIBUTE_WIDTH: usize = 70;

/// Writes a comment, with lines of at most 100 columns.
pub(super) fn comment(out: &mut String, indent: &str, text: &str) {
    wrapped(out, &format!("{indent}// "), &format!("{indent}// "), text);
}

/// Writes an item of a list in a comment.
pub(super) fn item(out: &mut String, text: &str) {
    wrapped(out, "// - ", "//   ", text);
}

/// Writes a documentation comment.
pub(super) fn doc(out: &mut String, text: &str) {
    wrapped(out, "/// ", "/// ", text);
}

fn wrapped(out: &mut String, first: &str, next: &str, text: &str) {
    let text: String = text
        .chars()
        // Invisible characters could hide or reorder text, so they are escaped.
        .flat_map(|character| match (' '..='~').contains(&character) {
            true => vec![character],
            false => character.escape_debug().collect::<Vec<_>>(),
        })
        .collect();
    let mut line = first.to_owned();
    let mut is_empty = true;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > LINE_WIDTH {
            out.push_str(line.trim_end());
            out.push('\n');
            line = next.to_owned();
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

/// Writes a field of a struct. A type that does not fit into the line is written on the next line.
pub(super) fn field(out: &mut String, indent: &str, name: &str, ty: &str) {
    let width = |line: &str| line.chars().count();
    let line = format!("{indent}pub {name}: {ty},");
    let next_line = format!("{indent}    {ty},");
    if width(&line) <= LINE_WIDTH || width(&next_line) > LINE_WIDTH {
        out.push_str(&format!("{line}\n"));
    } else {
        out.push_str(&format!("{indent}pub {name}:\n{next_line}\n"));
    }
}

/// Writes an attribute with arguments.
pub(super) fn attribute(out: &mut String, indent: &str, name: &str, arguments: &[&str]) {
    let joined = arguments.join(", ");
    if joined.chars().count() <= ATTRIBUTE_WIDTH {
        out.push_str(&format!("{indent}#[{name}({joined})]\n"));
        return;
    }
    out.push_str(&format!("{indent}#[{name}(\n"));
    for (index, argument) in arguments.iter().enumerate() {
        let comma = if index + 1 < arguments.len() { "," } else { "" };
        out.push_str(&format!("{indent}    {argument}{comma}\n"));
    }
    out.push_str(&format!("{indent})]\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_has_no_line_beyond_its_width_and_no_control_characters() {
        let mut out = String::new();
        comment(&mut out, "    ", &format!("{}\nend", "word ".repeat(60)));
        assert!(out.lines().all(|line| line.len() <= LINE_WIDTH && line.starts_with("    // ")), "{out}");
        assert!(out.ends_with("\\nend\n"), "{out}");
    }
}
