//! A browser without a window, steered through its `DevTools` protocol: JSON over two pipes, each
//! message with a zero byte at its end.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

/// For an answer of the browser, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(60);

const NAMES: &[&str] =
    &["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome"];

pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    messages: Receiver<Value>,
    profile: PathBuf,
    session: Option<String>,
    last_call: u64,
    /// What is shown when a server wants a password.
    password: Option<String>,
    is_loaded: bool,
    /// Errors of the page, and what its policy has not allowed.
    complaints: Vec<String>,
}

impl Browser {
    /// `None`, with a line that says so: there is no browser on this machine.
    #[expect(clippy::print_stdout, reason = "who reads the output of tests is told")]
    pub(crate) fn find() -> Option<Self> {
        let given = std::env::var_os("UBF_BROWSER").map(PathBuf::from);
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = std::env::split_paths(&folders).collect();
        let found = NAMES.iter().flat_map(|name| folders.iter().map(move |it| it.join(name)));
        let Some(program) = given.or_else(|| found.into_iter().find(|path| path.is_file())) else {
            assert!(std::env::var_os("UBF_WANT_BROWSER").is_none(), "no browser was found");
            println!("skipped: there is no browser here ({})", NAMES.join(", "));
            return None;
        };
        Some(Self::start(&program))
    }

    fn start(program: &std::path::Path) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let profile =
            std::env::temp_dir().join(format!("ubf-browser-{}-{count}", std::process::id()));
        // The browser reads from descriptor 3 and writes to 4, and a shell can make them so.
        let script = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";
        let mut child = Command::new("sh")
            .args(["-c", script])
            .arg(program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--no-first-run", "--disable-extensions", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(from).split(0) {
                let Ok(message) = message else { return };
                let message = serde_json::from_slice(&message).unwrap();
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self {
            child,
            to,
            messages,
            profile,
            session: None,
            last_call: 0,
            password: None,
            is_loaded: false,
            complaints: Vec::new(),
        };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", &attach);
        browser.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Shows a password to servers that want one.
    pub(crate) fn knows(&mut self, password: &str) {
        self.password = Some(password.to_owned());
        self.call("Fetch.enable", &json!({ "handleAuthRequests": true }));
    }

    fn send(&mut self, method: &str, parameters: &Value) -> u64 {
        self.last_call += 1;
        let mut message = json!({ "id": self.last_call, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        self.last_call
    }

    pub(crate) fn call(&mut self, method: &str, parameters: &Value) -> Value {
        let id = self.send(method, parameters);
        loop {
            let message = self.messages.recv_timeout(PATIENCE).expect("the browser answers");
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method} {parameters}: {message}");
                return message["result"].clone();
            }
            self.heard(&message);
        }
    }

    fn heard(&mut self, message: &Value) {
        let about = &message["params"];
        match message["method"].as_str().unwrap_or_default() {
            "Page.loadEventFired" => self.is_loaded = true,
            "Runtime.exceptionThrown" => self.complaints.push(about.to_string()),
            "Log.entryAdded" if about["entry"]["level"] == "error" => {
                self.complaints.push(about["entry"]["text"].to_string());
            }
            "Fetch.requestPaused" => {
                self.send("Fetch.continueRequest", &json!({ "requestId": about["requestId"] }));
            }
            "Fetch.authRequired" => {
                let password = self.password.clone().unwrap_or_default();
                let answer = json!({
                    "response": "ProvideCredentials", "username": "x", "password": password,
                });
                let request = &about["requestId"];
                let answer = json!({ "requestId": request, "authChallengeResponse": answer });
                self.send("Fetch.continueWithAuth", &answer);
            }
            _ => {}
        }
    }

    pub(crate) fn open(&mut self, url: &str) {
        self.is_loaded = false;
        let opened = self.call("Page.navigate", &json!({ "url": url }));
        assert!(opened["errorText"].is_null(), "{url}: {opened}");
        while !self.is_loaded {
            let message = self.messages.recv_timeout(PATIENCE).expect("the page is loaded");
            self.heard(&message);
        }
    }

    pub(crate) fn screen(&mut self, width: u32, height: u32, scheme: &str) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.call("Emulation.setDeviceMetricsOverride", &size);
        let scheme = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", &json!({ "features": scheme }));
    }

    pub(crate) fn has_scripts(&mut self, has: bool) {
        self.call("Emulation.setScriptExecutionDisabled", &json!({ "value": !has }));
    }

    /// The value of an expression, or of what it promises.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let evaluate =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let result = self.call("Runtime.evaluate", &evaluate);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    /// Waits until an expression is true of the page.
    pub(crate) fn wait(&mut self, expression: &str) {
        let promise = format!(
            "new Promise((done, failed) => {{
               const end = performance.now() + 45000;
               const look = () => {{
                 if ({expression}) done(true);
                 else if (performance.now() > end) failed(new Error(document.body.innerText));
                 else setTimeout(look, 20);
               }};
               look();
             }})"
        );
        assert_eq!(self.value(&promise), true, "{expression}");
    }

    /// Presses a key, as a person does.
    pub(crate) fn press(&mut self, key: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            other => panic!("{other} is not known here"),
        };
        let mut event = json!({
            "type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code,
        });
        if key == "Enter" {
            event["text"] = "\r".into();
        }
        self.call("Input.dispatchKeyEvent", &event);
        event["type"] = "keyUp".into();
        self.call("Input.dispatchKeyEvent", &event);
    }

    /// Types a text into what has the focus.
    pub(crate) fn types(&mut self, text: &str) {
        self.call("Input.insertText", &json!({ "text": text }));
    }

    /// What the page has complained of.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        // What came before this answer has been heard.
        self.call("Page.getFrameTree", &json!({}));
        std::mem::take(&mut self.complaints)
    }
}

/// A test that fails leaves no browser behind.
impl Drop for Browser {
    fn drop(&mut self) {
        let _is_killed = self.child.kill().is_ok();
        let _has_ended = self.child.wait().is_ok();
        let _is_removed = std::fs::remove_dir_all(&self.profile).is_ok();
    }
}
