//! The web console: its page, its files, and the question that the page asks before
//! anyone is signed in. It is one program on both listeners; the API that it uses needs
//! credentials, the program itself does not.

#[cfg(feature = "console")]
mod serve {
    use crate::audience::Audience;
    use crate::console::{self, PAGE};
    use crate::contexts::HealthContext;
    use crate::error::ApiError;
    use crate::reply::{ApiReply, json, no_content};
    use crate::request::ApiRequest;
    use http::StatusCode;
    use http::header::{CACHE_CONTROL, HeaderValue, LOCATION};
    use serde_json::json;

    /// `/console`: relative links of the page need the slash at the end.
    pub(super) fn to_page() -> ApiReply {
        let mut reply = no_content();
        *reply.status_mut() = StatusCode::PERMANENT_REDIRECT;
        // Relative, so that a proxy may add a prefix.
        reply.headers_mut().insert(LOCATION, HeaderValue::from_static("console/"));
        reply
    }

    pub(super) fn page(request: &ApiRequest<'_>) -> Result<ApiReply, ApiError> {
        named(PAGE, request)
    }

    pub(super) fn file(request: &ApiRequest<'_>) -> Result<ApiReply, ApiError> {
        named(request.params.id, request)
    }

    fn named(name: &str, request: &ApiRequest<'_>) -> Result<ApiReply, ApiError> {
        console::answer(name, &request.parts.headers).ok_or_else(|| ApiError::not_found("file"))
    }

    /// The audience of this listener, and which server this is.
    pub(super) fn about(context: &HealthContext, request: &ApiRequest<'_>) -> ApiReply {
        let audience = match request.audience {
            Audience::Customers => "customers",
            Audience::Operators => "operators",
        };
        let about = json!({
            "audience": audience,
            "version": env!("CARGO_PKG_VERSION"),
            "environment": context.environment,
        });
        let mut reply = json(StatusCode::OK, &about);
        console::protect(reply.headers_mut());
        reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        reply
    }
}

use crate::route::Route;
#[cfg(feature = "console")]
use crate::{
    describe::Operation,
    route::{Handler, Root},
};
#[cfg(feature = "console")]
use std::future::ready;

/// A binary without the console has none of its routes.
#[cfg(not(feature = "console"))]
pub(super) const ROUTES: &[Route] = &[];

#[cfg(feature = "console")]
pub(super) const ROUTES: &[Route] = &[
    Route {
        name: "console",
        methods: &["GET"],
        path: "/console",
        root: Root::Everybody,
        handler: Handler::Health(|_, _, _| Box::pin(ready(Ok(serve::to_page())))),
        describe: |_| Operation::page("The way to the web console"),
    },
    Route {
        name: "console_page",
        methods: &["GET"],
        path: "/console/",
        root: Root::Everybody,
        handler: Handler::Health(|_, request, _| Box::pin(ready(serve::page(request)))),
        describe: |_| Operation::page("The web console"),
    },
    Route {
        name: "console_file",
        methods: &["GET"],
        path: "/console/{id}",
        root: Root::Everybody,
        handler: Handler::Health(|_, request, _| Box::pin(ready(serve::file(request)))),
        describe: |_| Operation::page("A file that the web console's page names"),
    },
    Route {
        name: "console_about",
        methods: &["GET"],
        path: "/console/about.json",
        root: Root::Everybody,
        handler: Handler::Health(|context, request, _| Box::pin(ready(Ok(serve::about(context, request))))),
        describe: |_| Operation::page("Whom this listener serves, and which server this is"),
    },
];
