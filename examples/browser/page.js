/** The script of the page: an ordinary module, as the browser gets it. */

// Its source is sent to the worker, so it has to stand alone.
class Counter {
  n = 0;

  increment() {
    return ++this.n;
  }
}

const form = document.getElementById("connect");
const button = document.getElementById("increment");
const output = document.getElementById("count");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { scheduler, token } = Object.fromEntries(new FormData(form));
  try {
    const { Client } = await import(`${scheduler}/troupe.js`);
    const client = await Client.connect(scheduler, { token });
    // Every page that gives this key gets the same actor.
    const counter = await client.submit(Counter, { actor: true, key: "counter-of-the-pages" });
    button.onclick = () => show(counter.increment());
    button.disabled = false;
    await show(counter.n);
  } catch (error) {
    output.textContent = error.message;
  }
});

/** Shows what a call or a read gives. */
async function show(count) {
  output.textContent = await count.catch((error) => error.message);
}
