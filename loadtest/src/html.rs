//! Makes a page of a result. The page needs no other file and no network.

use serde_json::Value;

const PAGE: &str = include_str!("html/report.html");
/// The placeholder in the page that the result replaces.
const PLACE: &str = "\"RESULT\"";

/// The page of a result of `run`, `replay` or `chaos`.
pub fn page(result: &Value) -> String {
    // Without `<` nothing in the result can end the script around it.
    let json = result.to_string().replace('<', "\\u003c");
    PAGE.replacen(PLACE, &json, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_cannot_break_out_of_the_page() {
        let result = serde_json::json!({"url": "</script><script>alert(1)</script>"});
        let page = page(&result);
        assert_eq!(page.matches("</script>").count(), PAGE.matches("</script>").count());
        assert!(page.contains("\\u003c/script>"));
        assert!(!page.contains(PLACE) && !page.contains("http://") && !page.contains("https://"));
    }
}
