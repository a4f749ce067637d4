for (const time of document.querySelectorAll("time")) {
  const moment = new Date(time.dateTime);
  const near = Math.abs(Date.now() - moment) < 20 * 3600e3;
  time.textContent = moment.toLocaleString([], near ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" });
}
