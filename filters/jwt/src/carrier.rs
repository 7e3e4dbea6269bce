use sluice_filter::Request;
use sluice_filter::values::HeaderName;

/// Where in a request the token is.
#[derive(Debug)]
pub(crate) struct Carrier {
    /// None: `Authorization: Bearer`.
    header: Option<HeaderName>,
    cookie: Option<String>,
}

/// Where it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Header,
    Cookie,
}

/// The request has more than one token, or one that is not written as it should be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unclear;

impl Carrier {
    pub(crate) fn new(header: Option<HeaderName>, cookie: Option<String>) -> Self {
        Self { header, cookie }
    }

    /// The token, as the header has it or else the cookie.
    pub(crate) fn find(&self, request: &Request) -> Result<Option<(Place, Vec<u8>)>, Unclear> {
        if let Some(token) = self.in_header(request)? {
            return Ok(Some((Place::Header, token)));
        }
        Ok(self.in_cookie(request)?.map(|token| (Place::Cookie, token)))
    }

    /// Takes the token out of a request that it was found in.
    pub(crate) fn remove(&self, place: Place, request: &mut Request) {
        match (place, &self.cookie) {
            (Place::Cookie, Some(name)) => {
                let pairs = cookie_pairs(request);
                let rest: Vec<_> = pairs.into_iter().filter(|pair| value_of(pair, name).is_none()).collect();
                if rest.is_empty() {
                    request.remove_header("cookie");
                } else {
                    request.set_header("cookie", rest.join(&b"; "[..]));
                }
            }
            _ => request.remove_header(self.header_name()),
        }
    }

    fn header_name(&self) -> &str {
        self.header.as_deref().unwrap_or("authorization")
    }

    fn in_header(&self, request: &Request) -> Result<Option<Vec<u8>>, Unclear> {
        let mut values = request.header_values(self.header_name());
        let Some(value) = values.pop() else { return Ok(None) };
        if !values.is_empty() {
            return Err(Unclear);
        }
        // Schemes are compared without regard to case (RFC 9110 §11.1).
        let (scheme, rest) = value.split_at_checked(6).unwrap_or((&value, b""));
        let bearer = scheme.eq_ignore_ascii_case(b"bearer") && matches!(rest.first(), None | Some(b' '));
        let token = match (&self.header, bearer) {
            (_, true) => rest.trim_ascii(),
            // Another scheme is another's business.
            (None, false) => return Ok(None),
            (Some(_), false) => &value,
        };
        if token.is_empty() || token.contains(&b' ') { Err(Unclear) } else { Ok(Some(token.to_vec())) }
    }

    fn in_cookie(&self, request: &Request) -> Result<Option<Vec<u8>>, Unclear> {
        let Some(name) = &self.cookie else { return Ok(None) };
        let pairs = cookie_pairs(request);
        let mut found = pairs.iter().filter_map(|pair| value_of(pair, name));
        match (found.next(), found.next()) {
            // Whoever can set a cookie for a neighbouring host or path could put theirs in front of the right one.
            (Some(_), Some(_)) => Err(Unclear),
            (Some(value), None) => Ok(Some(value.to_vec())),
            (None, _) => Ok(None),
        }
    }
}

fn cookie_pairs(request: &Request) -> Vec<Vec<u8>> {
    let headers = request.header_values("cookie");
    let pairs = headers.iter().flat_map(|value| value.split(|byte| *byte == b';'));
    pairs.map(|pair| pair.trim_ascii().to_vec()).filter(|pair| !pair.is_empty()).collect()
}

fn value_of<'p>(pair: &'p [u8], name: &str) -> Option<&'p [u8]> {
    let value = pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
    Some(value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value))
}
