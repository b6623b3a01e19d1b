use std::error::Error;

/// Errors of components. To a component only the sentence matters; who embeds it may look behind.
macro_rules! errors {
    ($($(#[doc = $doc:literal])+ $name:ident;)+) => {$(
        $(#[doc = $doc])+
        ///
        /// It reads as a whole sentence, which tells of the cause too. [`source`](Error::source) is for programs that act on
        /// it, such as on the `io::Error` of an address that is in use.
        #[derive(Debug, thiserror::Error)]
        #[error("{message}")]
        pub struct $name {
            message: String,
            source: Option<Box<dyn Error + Send + Sync>>,
        }

        impl $name {
            /// An error that reads as `message`.
            pub fn new(message: impl Into<String>) -> Self {
                Self { message: message.into(), source: None }
            }

            /// The same with its cause, in which no secret may stand: `Debug` shows it.
            #[must_use]
            pub fn with_source(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
                Self { source: Some(source.into()), ..self }
            }
        }
    )+};
}

errors! {
    /// A component could not be built from its configuration.
    BuildError;
    /// A source ended because it can never receive again.
    SourceError;
    /// A sink ended because it can never land anything again.
    SinkError;
}
