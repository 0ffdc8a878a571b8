// The keys of the review page: key -> action. review.js defines the actions, and the buttons of review.html show the keys.
const KEYS = {
  a: "accept",
  r: "reject",
  u: "undo",
  e: "editCaption",
  t: "tryAgain", // puts the cursor into the prompt; Enter there makes another candidate
  f: "flicker",
  m: "mask",
  z: "zoom",
  " ": "showOriginal", // while the key is held
  arrowright: "nextCandidate",
  arrowleft: "previousCandidate",
  0: "clearQuality",
  1: "quality1",
  2: "quality2",
  3: "quality3",
  4: "quality4",
  5: "quality5",
};
