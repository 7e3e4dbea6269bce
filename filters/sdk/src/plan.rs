use crate::{BodyMode, Phases, Plan};

impl Plan {
    /// A plan that asks for nothing: the filter is never called.
    pub const NOTHING: Self =
        Self { phases: Phases::empty(), request_body: BodyMode::None, response_body: BodyMode::None };

    /// Asks for these phases, too.
    ///
    /// ```
    /// # use sluice_filter::{Phases, Plan};
    /// const PLAN: Plan = Plan::NOTHING.with(Phases::REQUEST).with(Phases::END);
    /// assert!(PLAN.phases.contains(Phases::REQUEST | Phases::END));
    /// ```
    #[must_use]
    pub const fn with(mut self, phases: Phases) -> Self {
        self.phases = self.phases.union(phases);
        self
    }

    /// Asks for these phases no longer: a phase that this configuration has no use for costs nothing.
    ///
    /// ```
    /// # use sluice_filter::{Phases, Plan};
    /// let plan = Plan::NOTHING.with(Phases::REQUEST | Phases::RESPONSE).without(Phases::RESPONSE);
    /// assert_eq!(plan.phases, Phases::REQUEST);
    /// ```
    #[must_use]
    pub const fn without(mut self, phases: Phases) -> Self {
        self.phases = self.phases.difference(phases);
        self
    }

    /// Says how request bodies are taken.
    ///
    /// ```
    /// # use sluice_filter::{BodyMode, Plan};
    /// const PLAN: Plan = Plan::NOTHING.request_body(BodyMode::Buffered(65_536));
    /// assert_eq!(PLAN.request_body, BodyMode::Buffered(65_536));
    /// ```
    #[must_use]
    pub const fn request_body(mut self, mode: BodyMode) -> Self {
        self.request_body = mode;
        self
    }

    /// Says how response bodies are taken.
    ///
    /// ```
    /// # use sluice_filter::{BodyMode, Plan};
    /// const PLAN: Plan = Plan::NOTHING.response_body(BodyMode::Stream);
    /// assert_eq!(PLAN.response_body, BodyMode::Stream);
    /// ```
    #[must_use]
    pub const fn response_body(mut self, mode: BodyMode) -> Self {
        self.response_body = mode;
        self
    }
}
