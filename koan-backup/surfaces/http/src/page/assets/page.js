// Shows that the connection to the server is lost, and hides the message when the server answers again. Everything else
// on the page works without this file.
(function () {
  "use strict";

  function show(isLost) {
    var message = document.getElementById("connection");
    if (message) {
      message.hidden = !isLost;
    }
  }

  var retry = null;

  function lost() {
    show(true);
    if (retry === null) {
      retry = window.setInterval(function () {
        window.fetch(window.location.href, { method: "HEAD", cache: "no-store" }).then(function (answer) {
          // A proxy answers in place of a server that restarts. The screen may have changed meanwhile.
          if (answer.status < 500) {
            window.location.reload();
          }
        }, function () { /* The server is still not reachable. */ });
      }, 3000);
    }
  }

  document.addEventListener("htmx:sendError", lost);
  document.addEventListener("htmx:responseError", lost);
  document.addEventListener("htmx:sseError", function (event) {
    // The stream ends when the server closes it; the page then reads the screen again.
    var source = event.detail && event.detail.source;
    if (!source || source.readyState === EventSource.CLOSED || source.readyState === EventSource.CONNECTING) {
      lost();
    }
  });
  function found() {
    if (retry !== null) {
      window.clearInterval(retry);
      retry = null;
    }
    show(false);
  }

  document.addEventListener("htmx:sseOpen", found);
  document.addEventListener("htmx:afterOnLoad", found);

  // A second click on a button starts nothing.
  document.addEventListener("submit", function (event) {
    if (event.target.dataset.sent === "yes") {
      event.preventDefault();
      return;
    }
    if (event.target.method === "post") {
      event.target.dataset.sent = "yes";
      window.setTimeout(function () { delete event.target.dataset.sent; }, 5000);
    }
  });
})();
