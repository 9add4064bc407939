// Requests to the server; every failure becomes an Error with one sentence.

const GONE = "The program does not answer: start 'ifdd app' again and open the address that it prints.";

async function call(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error(GONE);
  }
  if (response.ok) return response;
  throw new Error(await sentence(response.json()));
}

async function sentence(body) {
  try {
    const { message } = await body;
    return message.charAt(0).toUpperCase() + message.slice(1) + (/[.!?]$/.test(message) ? "" : ".");
  } catch {
    return "The server gave no reason.";
  }
}

export const get = async (path) => (await call(path)).json();

export const send = async (path, body = null, method = "POST") =>
  (await call(path, {
    method,
    headers: { "content-type": "application/json" },
    body: body === null ? null : JSON.stringify(body),
  })).json();

/** Send a file as it is; the browser reads it from the disk piece by piece. */
export function upload(file, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", `/api/uploads?name=${encodeURIComponent(file.name)}`);
    request.upload.onprogress = (event) => onProgress(event.loaded / (event.total || file.size || 1));
    request.onload = async () => {
      if (request.status < 300) resolve(JSON.parse(request.responseText));
      else reject(new Error(await sentence(Promise.resolve().then(() => JSON.parse(request.responseText)))));
    };
    // a server that refuses a large file may close the connection before the browser has sent it
    request.onerror = () => reject(new Error(`${file.name} could not be sent: it may be too large, or the program ended.`));
    request.send(file);
  });
}

/** Download a file under the server's name; an error becomes a sentence. */
export async function download(path) {
  const response = await call(path);
  const name = /filename\*?=(?:utf-8'')?"?([^";]+)/i.exec(response.headers.get("content-disposition") || "");
  const url = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = name ? decodeURIComponent(name[1]) : "results";
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}
