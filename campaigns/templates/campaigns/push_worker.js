// Shows Strata's messages and reports what became of them. A shop that has a service
// worker of its own imports this file into it.
"use strict";

const report = (url) =>
  url ? fetch(url, { method: "POST", mode: "no-cors", keepalive: true }).catch(() => {}) : null;

self.addEventListener("push", (event) => {
  let message = {};
  try {
    message = event.data ? event.data.json() : {};
  } catch {
    return; // not one of ours
  }
  if (!message.title) return;
  const items = (message.items || []).slice(0, 2);
  const shown = self.registration.showNotification(message.title, {
    body: message.body || "",
    image: message.image || undefined,
    icon: (items[0] && items[0].image) || undefined,
    tag: message.tag || undefined, // a second copy replaces the first
    data: message,
    actions: items.map((item, index) => ({ action: String(index), title: item.title })),
  });
  event.waitUntil(shown.then(() => report(message.shown_url)));
});

self.addEventListener("notificationclick", (event) => {
  const message = event.notification.data || {};
  const item = (message.items || [])[Number(event.action || NaN)];
  const url = (item && item.url) || message.url;
  event.notification.close();
  if (url) event.waitUntil(self.clients.openWindow(url));
});

self.addEventListener("notificationclose", (event) => {
  const message = event.notification.data || {};
  event.waitUntil(Promise.resolve(report(message.dismiss_url)));
});
