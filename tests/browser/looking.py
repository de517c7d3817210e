"""How a page is looked at: width, colour scheme, contrast of every text."""

from selenium.webdriver import Chrome

# Every text that can be seen, with its contrast by WCAG 2's formula. Backgrounds are opaque.
CONTRASTS = """
const channels = colour => colour.match(/[\\d.]+/g).map(Number);
const luminance = rgb => {
  const [r, g, b] = rgb.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const background = element => {
  for (let at = element; at; at = at.parentElement) {
    const rgb = channels(getComputedStyle(at).backgroundColor);
    if (rgb.length < 4 || rgb[3] > 0) return rgb;
  }
  return [255, 255, 255];
};
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim()) continue;
  const pair = [getComputedStyle(element).color, background(element)];
  const light = [luminance(channels(pair[0])), luminance(pair[1])].sort((a, b) => b - a);
  found.push([(light[0] + 0.05) / (light[1] + 0.05), walker.currentNode.data.trim().slice(0, 40)]);
}
return found;
"""
READABLE = 4.5  # WCAG 2.2, success criterion 1.4.3, level AA


def resize(browser: Chrome, width: int, *, scheme: str = "light") -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
