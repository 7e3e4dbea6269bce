use sluice_filter::{Request, Response};

/// What a response's head says of its body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Not JSON.
    Other,
    /// JSON that can be read.
    Json,
    /// JSON that cannot be read, and why.
    Opaque(&'static str),
}

/// A client that may ask for a part of a body, or for a compressed one, could ask for what is not masked.
pub(crate) fn ask_for_whole_and_plain(request: &mut Request) {
    request.remove_header("range");
    request.remove_header("if-range");
    request.set_header("accept-encoding", "identity");
}

pub(crate) fn content(response: &Response) -> Content {
    if !response.header_values("content-type").iter().any(|value| is_json(value)) {
        return Content::Other;
    }
    let encoded = response
        .header_values("content-encoding")
        .iter()
        .flat_map(|value| value.split(|byte| *byte == b',').map(<[u8]>::to_vec).collect::<Vec<_>>())
        .any(|coding| {
            !coding.trim_ascii().is_empty() && !coding.trim_ascii().eq_ignore_ascii_case(b"identity")
        });
    if encoded {
        Content::Opaque("it has a content-encoding")
    } else if response.status() == 206 || response.header("content-range").is_some() {
        Content::Opaque("it is a part of a body")
    } else {
        Content::Json
    }
}

/// What describes the bytes of the body that the client does not get. A weak validator stands for both bodies (RFC 9110 §8.8.1).
pub(crate) fn forget_the_unmasked(response: &mut Response) {
    for name in ["accept-ranges", "content-digest", "content-md5", "digest", "repr-digest"] {
        response.remove_header(name);
    }
    if let Some(tag) = response.header("etag")
        && !tag.starts_with(b"W/")
    {
        response.set_header("etag", [b"W/", &*tag].concat());
    }
}

/// `application/json`, or any type with the suffix `+json` (RFC 6839 §3.1).
fn is_json(value: &[u8]) -> bool {
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let essence = essence.to_ascii_lowercase();
    essence == b"application/json" || (essence.contains(&b'/') && essence.ends_with(b"+json"))
}
