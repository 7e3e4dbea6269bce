use sluice_filter::Reply;

/// What a client is answered whose token is not enough (RFC 6750 §3).
#[derive(Debug)]
pub(crate) struct Challenge {
    realm: String,
    scopes: Vec<String>,
}

impl Challenge {
    pub(crate) fn new(realm: String, scopes: Vec<String>) -> Self {
        Self { realm, scopes }
    }

    /// No token: the client is told that one is needed, and of no error (§3.1).
    pub(crate) fn missing(&self) -> Reply {
        self.reply(401, "", "A token is needed.\n")
    }

    pub(crate) fn unclear(&self) -> Reply {
        let error = r#", error="invalid_request", error_description="the token is not given in one way""#;
        self.reply(400, error, "One token is needed, given in one way.\n")
    }

    /// `reason` is ours and holds no quotes.
    pub(crate) fn invalid(&self, reason: &str) -> Reply {
        let error = format!(r#", error="invalid_token", error_description="{reason}""#);
        self.reply(401, &error, "A valid token is needed.\n")
    }

    pub(crate) fn insufficient(&self) -> Reply {
        let error = format!(r#", error="insufficient_scope", scope="{}""#, self.scopes.join(" "));
        self.reply(403, &error, "The token does not allow this.\n")
    }

    fn reply(&self, status: u16, error: &str, sentence: &str) -> Reply {
        Reply::new(status)
            .header("www-authenticate", format!(r#"Bearer realm="{}"{error}"#, self.realm))
            .header("content-type", "text/plain; charset=utf-8")
            .body(sentence)
    }
}
