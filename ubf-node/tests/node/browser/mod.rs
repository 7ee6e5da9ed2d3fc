//! The page, in a browser: what people see, and what they can do.

mod driver;

use std::io::Write as _;
use std::net::TcpStream;

pub(crate) use self::driver::Browser;
use crate::process::{Program, exchange, rest};

const TOKEN: &str = "a-secret-that-nobody-guesses";
/// What somebody says who wants to be more than text, as UBF has it.
const MARKUP: &str = "</td><script>document.title='owned'</script><img src=x onerror=alert(1)>";

fn token_file() -> String {
    let file = std::env::temp_dir().join(format!("ubf-page-{}.token", std::process::id()));
    std::fs::write(&file, TOKEN).unwrap();
    file.to_str().unwrap().to_owned()
}

/// A client that says this of itself.
fn client(program: &Program, agent: &str) -> TcpStream {
    let mut client = program.connect();
    let agent = agent.replace('"', "\\\"");
    let wish = format!("0 {{'negotiate'1\"echo\"#1&2&#{{'agent'\"{agent}\"}}&}}$");
    exchange(&mut client, &wish, "2 ? {'agreed'1\"echo\"#1&2&3&#");
    client
}

#[test]
fn people_see_what_clients_do_and_what_clients_say_stays_text() {
    let Some(mut browser) = Browser::find() else { return };
    let (program, admin) = Program::start_watched(&[
        "--service",
        "kv,echo",
        "--versions",
        "1-3",
        "--control",
        &socket("a"),
    ]);
    let _client = client(&program, MARKUP);
    browser.open(&format!("http://{admin}/"));
    browser.wait("document.querySelector('#live').textContent === 'live'");
    browser.wait("document.querySelectorAll('#connections tr').length === 1");
    let agent = browser.value("document.querySelector('#connections td.clip').textContent");
    // A server keeps 64 bytes of it.
    assert!(
        MARKUP.starts_with(agent.as_str().unwrap()) && agent.as_str().unwrap().len() > 30,
        "{agent}"
    );
    assert_eq!(browser.value("document.querySelectorAll('img, td script').length"), 0);
    let cell = "document.querySelector('[data-act=version][data-service=\\'\"echo\"\\'][data-version=\"2\"]')";
    browser.wait(&format!("{cell}.textContent === '21'"));
    // Those who come later are seen without anybody asking.
    let mut other = client(&program, "till/2");
    browser.wait(&format!("{cell}.textContent === '22'"));
    other.write_all("2 7$".repeat(64).as_bytes()).unwrap();
    browser.wait("Number(document.querySelector('#tiles dd').textContent) > 0");
    // The filter is the server's.
    browser.value("document.querySelector('#connections-filter').focus()");
    browser.types("TILL/2");
    browser.wait("document.querySelectorAll('#connections tr').length === 1 && document.querySelector('#connections td.clip').textContent === 'till/2'");
    program.signal("USR1");
    browser.wait(
        "document.querySelector('#feed').textContent.includes('a signal without a meaning here')",
    );
    assert_eq!(browser.value("document.title").as_str().unwrap().split(' ').nth(1), Some("·"));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

fn socket(name: &str) -> String {
    let file = std::env::temp_dir().join(format!("ubf-page-{}-{name}.sock", std::process::id()));
    file.to_str().unwrap().to_owned()
}

#[test]
fn who_has_the_token_acts_and_sees_the_command_that_does_the_same() {
    let Some(mut browser) = Browser::find() else { return };
    let (file, control) = (token_file(), socket("b"));
    let (program, admin) = Program::start_watched(&[
        "--service",
        "echo",
        "--versions",
        "1-3",
        "--admin-token",
        &file,
        "--control",
        &control,
    ]);
    let client = client(&program, "till/2");
    browser.knows(TOKEN);
    browser.open(&format!("http://{admin}/"));
    browser.wait("document.querySelectorAll('#connections button').length === 1");
    // By keyboard alone: a connection, what to do with it, the token, and go.
    browser.value("document.querySelector('#connections button').focus()");
    browser.press("Enter");
    browser.wait("document.querySelector('dialog').open");
    browser.press("Escape");
    browser.wait("!document.querySelector('dialog').open");
    browser.press("Enter");
    browser.wait("document.querySelector('dialog h2').textContent === 'Connection 1'");
    browser.value("document.querySelector('dialog [name=kick]').focus()");
    browser.press("Enter");
    browser.wait("document.querySelector('dialog h2').textContent === 'Close the connection'");
    let command = browser.value("document.querySelector('dialog pre').textContent");
    assert_eq!(command, format!("ubf admin --control {control} kick 1"));
    browser.value("document.querySelector('dialog [name=token]').focus()");
    browser.types("not-the-token-but-long");
    browser.press("Enter");
    browser.wait(
        "document.querySelector('.said').textContent.startsWith('this token is not the one')",
    );
    browser.value("document.querySelector('dialog [name=token]').select()");
    browser.types(TOKEN);
    browser.press("Enter");
    browser.wait("document.querySelector('.said').textContent === 'Done.'");
    assert!(rest(client).contains("'closing''operator'"));
    // The token is known from here on: a version is withdrawn with two keys.
    browser.press("Escape");
    browser.value("document.querySelector('[data-act=version][data-version=\"2\"]').focus()");
    browser.press("Enter");
    browser.value("document.querySelector('dialog [name=withdraw]').click()");
    assert_eq!(browser.value("document.querySelectorAll('dialog [name=token]').length"), 0);
    browser.value("document.querySelector('dialog [value=go]').click()");
    browser.wait("document.querySelector('.said').textContent === 'Done.'");
    browser.press("Escape");
    browser.wait("document.querySelector('[data-act=version][data-version=\"2\"]').classList.contains('withdrawn')");
    // What is refused says why.
    browser.value("document.querySelector('[data-act=drain]').click()");
    browser.value("document.querySelector('dialog [value=go]').click()");
    browser.wait(
        "document.querySelector('.said').textContent === 'it has no peers to send clients to'",
    );
    // A refused token is told in the log of the browser, and nothing else.
    let complaints = browser.complaints();
    assert!(complaints.iter().all(|it| it.contains("401") || it.contains("409")), "{complaints:?}");
    std::fs::remove_file(&file).unwrap();
}

/// Contrast of all texts with what is behind them, as WCAG 2 reckons it; the worst one.
const CONTRAST: &str = r"(() => {
  const parts = color => { const found = color.match(/[\d.]+/g).map(Number); return found.length < 4 ? [...found, 1] : found; };
  const light = ([red, green, blue]) => [red, green, blue]
    .map(part => part / 255).map(part => part <= .03928 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4)
    .reduce((sum, part, index) => sum + part * [.2126, .7152, .0722][index], 0);
  const behind = node => { for (; node; node = node.parentElement) { const color = parts(getComputedStyle(node).backgroundColor); if (color[3] === 1) return color; } return [255, 255, 255, 1]; };
  let worst = [99, ''];
  for (const node of document.querySelectorAll('body *')) {
    const says = [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim());
    if (!says || !node.checkVisibility() || node.disabled || node.className === 'skip') continue;
    const [text, ground] = [light(parts(getComputedStyle(node).color)), light(behind(node))];
    const contrast = (Math.max(text, ground) + .05) / (Math.min(text, ground) + .05);
    if (contrast < worst[0]) worst = [contrast, node.outerHTML.slice(0, 100)];
  }
  return worst;
})()";

#[test]
fn the_page_fits_each_screen_and_can_be_read_on_it_with_and_without_scripts() {
    let Some(mut browser) = Browser::find() else { return };
    let (program, admin) = Program::start_watched(&[
        "--service",
        "kv,echo",
        "--versions",
        "1-3",
        "--peers",
        "b.example:4000",
        "--grace",
        "1000s",
    ]);
    let _client = client(&program, "till/2");
    program.signal("TERM");
    for has_scripts in [false, true] {
        browser.has_scripts(has_scripts);
        for (width, scheme) in [(360, "light"), (360, "dark"), (1280, "light"), (1280, "dark")] {
            browser.screen(width, 900, scheme);
            browser.open(&format!("http://{admin}/"));
            if has_scripts {
                browser.wait("document.querySelector('#live').textContent === 'live'");
                browser.wait("document.querySelector('#nodes .chip.warn')");
            } else {
                browser.value("1");
            }
            // The tests' own expressions are evaluated all the same.
            let text = browser.value("document.body.innerText");
            for shown in ["draining", "till/2", "b.example:4000"] {
                assert!(text.as_str().unwrap().contains(shown), "{shown}: {text}");
            }
            let overflow = browser.value("document.documentElement.scrollWidth - innerWidth");
            assert!(overflow.as_f64().unwrap() <= 0.0, "{width}: {overflow}");
            let worst = browser.value(CONTRAST);
            assert!(worst[0].as_f64().unwrap() >= 4.5, "{scheme} {width}: {worst}");
        }
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn the_page_says_when_nobody_answers_and_goes_on_with_who_comes_next() {
    let Some(mut browser) = Browser::find() else { return };
    let (mut program, admin) = Program::start_watched(&[]);
    browser.open(&format!("http://{admin}/"));
    browser.wait("document.querySelector('#live').textContent === 'live'");
    let before = program.id().to_string();
    program.kill();
    browser.wait("document.querySelector('#live').textContent.startsWith('no answer')");
    browser.wait("document.querySelector('#nodes .chip.bad')");
    let arguments = ["--listen", "127.0.0.1:0", "--log", "json", "--admin-http", &admin];
    let next = Program::spawn(crate::process::command(&arguments));
    browser.wait("document.querySelector('#live').textContent === 'live'");
    let wanted = next.id().to_string();
    assert_ne!(wanted, before);
    browser.wait(&format!("document.querySelector('#nodes').textContent.includes('{wanted}')"));
    browser.wait("document.querySelector('#feed').textContent.includes('another process serves')");
}

#[cfg(target_os = "linux")]
#[test]
fn the_page_follows_an_upgrade_in_place_and_shows_its_steps() {
    let Some(mut browser) = Browser::find() else { return };
    let control = socket("c");
    let (old, admin) = Program::start_watched(&["--control", &control]);
    browser.open(&format!("http://{admin}/"));
    browser.wait("document.querySelector('#live').textContent === 'live'");
    let (new, _) = Program::start_watched(&["--control", &control, "--take-over"]);
    let took_over = format!("process {} took over from {}", new.id(), old.id());
    browser
        .wait(&format!("document.querySelector('#changes').textContent.includes('{took_over}')"));
    browser.wait("[...document.querySelectorAll('#changes li b')].some(step => step.textContent === 'served')");
    browser.wait("document.querySelector('#live').textContent === 'live'");
    assert_eq!(old.status(), Some(0));
}
