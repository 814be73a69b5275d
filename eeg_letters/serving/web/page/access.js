// The token with which the log is asked, where one is needed. It is kept in a variable alone, until the tab is closed.

let token;

// Whether the log may be asked.
const mayAsk = () => !SERVED.database.tokens || token !== undefined;

function showToken(sentence) {
  $("forget").hidden = token === undefined;
  $("token-state").textContent = sentence ?? (token === undefined ? "A token for the log is needed. It is kept by this tab alone, until it is closed or loaded again." : "A token is used.");
}

// With the token; one that is not known is not used again.
async function askLogged(path, options) {
  try {
    return await ask(path, { ...options, token });
  } catch (failure) {
    if (failure.status === 401) {
      token = undefined;
      showToken(failure.message);
    }
    throw failure;
  }
}

if (SERVED.database.tokens) {
  $("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const given = $("token").value.trim();
    $("token").value = "";
    // No header has another sign.
    if (!/^[A-Za-z0-9._~+/-]+=*$/.test(given)) {
      showToken("That is no token: it has letters, digits and . _ ~ + / - alone.");
      return;
    }
    token = given;
    showToken();
    askLog();
  });
  $("forget").addEventListener("click", () => {
    token = undefined;
    forgetLog();
    showToken();
    $("token").focus();
  });
  showToken();
}
