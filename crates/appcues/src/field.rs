/// Declares the fields, each with its path in the body.
macro_rules! fields {
    ($($name:ident => $path:literal,)*) => {
        /// A place in the body that Landfall knows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Field {
            $(#[doc = concat!("`", $path, "`")] $name,)*
        }

        impl Field {
            /// All fields, in the order in which they are declared.
            pub const ALL: [Self; [$($path),*].len()] = [$(Self::$name),*];

            /// Where the field is: keys joined by dots.
            pub const fn path(self) -> &'static str {
                match self {
                    $(Self::$name => $path,)*
                }
            }
        }
    };
}

// An object comes before what is in it.
fields! {
    Id => "id",
    Name => "name",
    Timestamp => "timestamp",
    IngestedAt => "ingested_at",
    AccountId => "account_id",
    UserId => "user_id",
    GroupId => "group_id",
    Source => "source",

    Context => "context",
    ContextUrl => "context.url",
    ContextAppId => "context.app_id",
    ContextAppVersion => "context.app_version",
    ContextScreenTitle => "context.screen_title",

    Attributes => "attributes",
    SessionId => "attributes.sessionId",
    LocaleId => "attributes.localeId",
    LocaleName => "attributes.localeName",
    FlowId => "attributes.flowId",
    FlowName => "attributes.flowName",
    FlowType => "attributes.flowType",
    FlowVersion => "attributes.flowVersion",
    ExperienceId => "attributes.experienceId",
    ExperienceName => "attributes.experienceName",
    ExperienceType => "attributes.experienceType",
    ExperienceInstanceId => "attributes.experienceInstanceId",
    Version => "attributes.version",
    ChecklistId => "attributes.checklistId",
    ChecklistName => "attributes.checklistName",
    ItemId => "attributes.itemId",
    ItemLabel => "attributes.itemLabel",
    ItemIndex => "attributes.itemIndex",
    StepId => "attributes.stepId",
    StepType => "attributes.stepType",
    StepName => "attributes.stepName",
    StepIndex => "attributes.stepIndex",
    StepNumber => "attributes.stepNumber",
    StepChildId => "attributes.stepChildId",
    StepChildNumber => "attributes.stepChildNumber",
    InteractionType => "attributes.interactionType",
    Score => "attributes.score",
    Feedback => "attributes.feedback",
    PreviousScore => "attributes._prev_nps_score",
    PreviousScoreTime => "attributes._prev_nps_score_time",
    WorkflowId => "attributes.workflowId",
    PushWorkflowId => "attributes.workflow_id",
    WorkflowTaskId => "attributes.workflowTaskId",
    PushNotificationId => "attributes.pushNotificationId",
    PushPushNotificationId => "attributes.push_notification_id",
    Trigger => "attributes.trigger",
    ErrorId => "attributes.errorId",
    Message => "attributes.message",
    ExperimentId => "attributes.experimentId",
    ExperimentGroup => "attributes.experimentGroup",
    ExperimentExperienceId => "attributes.experimentExperienceId",
    FromExperienceId => "attributes.fromExperienceId",
    // As iOS and as Android write it.
    FrameId => "attributes.frameID",
    AndroidFrameId => "attributes.frameId",
    ScreenTitle => "attributes.screenTitle",

    AttributesContext => "attributes.context",
    AttributesContextUrl => "attributes.context.url",

    Identity => "attributes._identity",
    IdentitySessionId => "attributes._identity._sessionId",
    IdentityOperatingSystem => "attributes._identity._operatingSystem",
    IdentityOsVersion => "attributes._identity._osVersion",
    IdentityAppId => "attributes._identity._appId",
    IdentityAppVersion => "attributes._identity._appVersion",
    IdentitySdkVersion => "attributes._identity._sdkVersion",
    IdentityLocalId => "attributes._identity._localId",
    IdentityDeviceType => "attributes._identity._deviceType",
    IdentityDeviceModel => "attributes._identity._deviceModel",

    Device => "attributes._device",
    DeviceOperatingSystem => "attributes._device._operatingSystem",
    DeviceOsVersion => "attributes._device._osVersion",
    DeviceAppId => "attributes._device._appId",
    DeviceAppVersion => "attributes._device._appVersion",
    DeviceSdkVersion => "attributes._device._sdkVersion",
    DeviceId => "attributes._device._deviceId",
    DeviceType => "attributes._device._deviceType",
    DeviceModel => "attributes._device._deviceModel",

    Interaction => "attributes.interaction",
    InteractionCategory => "attributes.interaction.category",
    InteractionDestination => "attributes.interaction.destination",
    InteractionText => "attributes.interaction.text",
    InteractionFormId => "attributes.interaction.formId",
    InteractionResponse => "attributes.interaction.response",

    InteractionData => "attributes.interactionData",
    InteractionDataCategory => "attributes.interactionData.category",
    InteractionDataDestination => "attributes.interactionData.destination",
    InteractionDataText => "attributes.interactionData.text",
    InteractionDataFormResponse => "attributes.interactionData.formResponse",
    InteractionDataSurveyResponses => "attributes.interactionData.surveyResponses",
}

impl Field {
    /// The fields that other fields are in. They have a raw value only if that is not an object.
    pub const OBJECTS: [Self; 7] = [
        Self::Context,
        Self::Attributes,
        Self::AttributesContext,
        Self::Identity,
        Self::Device,
        Self::Interaction,
        Self::InteractionData,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_objects_are_those_that_other_paths_lead_through() {
        let leads_through = |object: &Field| {
            let prefix = format!("{}.", object.path());
            Field::ALL
                .iter()
                .any(|field| field.path().starts_with(&prefix))
        };
        let objects: Vec<_> = Field::ALL.into_iter().filter(leads_through).collect();
        assert_eq!(objects, Field::OBJECTS);
    }
}
