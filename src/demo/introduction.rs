//! The first lines of `sluice demo`: its addresses, and what to try.

use super::{EVENT_TYPES, EVENTS_A_REQUEST};
use crate::cli::Demo;
use crate::output::say;
use crate::up::Sluice;
use std::net::SocketAddr;
use std::path::Path;
#[cfg(feature = "console")]
use std::process::Stdio;

/// The facts that the first lines show.
pub(super) struct Introduction<'a> {
    pub(super) sluice: &'a Sluice,
    /// The backend's address, which serves everything.
    pub(super) demo: SocketAddr,
    pub(super) key: &'a str,
    /// Opens the console, signed in.
    #[cfg_attr(not(feature = "console"), expect(dead_code, reason = "nothing else takes it"))]
    pub(super) code: &'a str,
    pub(super) admin_token: &'a str,
    pub(super) mail_goes_to_files: bool,
    /// The data directory, if it is kept.
    pub(super) data_dir: Option<&'a Path>,
}

impl Introduction<'_> {
    pub(super) fn print(&self, options: &Demo) -> anyhow::Result<()> {
        let (demo, sluice) = (self.demo, self.sluice);
        say!("Sluice demo: one process, durable, nothing else installed.")?;
        #[cfg(feature = "console")]
        say!("  open     {}", self.console())?;
        say!(
            "  try it   curl -s http://{demo}/demo/trigger --json '{{\"document_type\":\"invoice\",\"priority\":\"high\",\
             \"description\":\"It is overdue\",\"customer_email\":\"ann@example.com\"}}'"
        )?;
        let files = if self.mail_goes_to_files { "   as files, see \"place\" there" } else { "" };
        say!("  e-mails  http://{demo}/demo/inbox{files}")?;
        say!("  API      http://{}   key {}", sluice.address(), self.key)?;
        say!("  metrics  http://{}/metrics", sluice.address())?;
        #[cfg(feature = "console")]
        say!("  admin    http://{}/console/   token {}", sluice.admin_address(), self.admin_token)?;
        #[cfg(not(feature = "console"))]
        say!("  admin    http://{}   token {}", sluice.admin_address(), self.admin_token)?;
        if let Some(data_dir) = self.data_dir {
            say!("  data     {}   kept for the next start", data_dir.display())?;
        }
        say!(
            "  traffic  {} events/s of {} types, {EVENTS_A_REQUEST} a request; webhooks of up to 100 events",
            options.rate,
            EVENT_TYPES.len()
        )?;
        say!("  each second: accepted, delivered to webhooks, retried, dead-lettered. Ctrl-C ends it.\n")?;
        #[cfg(feature = "console")]
        if options.web && !options.no_open {
            self.open_browser()?;
        }
        Ok(())
    }

    /// The console's address. The code is in the part after `#`, which no browser sends,
    /// and the page takes it out of the address at once; the key itself is in no address.
    #[cfg(feature = "console")]
    fn console(&self) -> String {
        format!("http://{}/console/#/sign-in/{}", self.demo, self.code)
    }

    /// Opens the console in a browser, if there is one.
    #[cfg(feature = "console")]
    fn open_browser(&self) -> anyhow::Result<()> {
        if !has_display() {
            say!("  There is no screen here, so no browser was started: open the address above yourself.\n")?;
            return Ok(());
        }
        let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
        let opened = tokio::process::Command::new(opener)
            .arg(self.console())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        if let Err(error) = opened {
            say!("  {opener} cannot be run ({error}): open the address above yourself.\n")?;
        }
        Ok(())
    }
}

/// Whether there is a screen for a browser.
#[cfg(feature = "console")]
fn has_display() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(target_os = "macos") || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
}
