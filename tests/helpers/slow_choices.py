"""The obvious reference of the choices of one item, in loops."""


def slow_choice(scores, belongs):
    """One item, in loops; scores[i][j] of image i and text j, belongs alike."""
    n, m = len(scores), len(scores[0])
    by_image, by_text = [], []
    for i in range(n):
        true, false = [j for j in range(m) if belongs[i][j]], [j for j in range(m) if not belongs[i][j]]
        if true and false:
            by_image.append(all(scores[i][a] > scores[i][b] for a in true for b in false))
    for j in range(m):
        true, false = [i for i in range(n) if belongs[i][j]], [i for i in range(n) if not belongs[i][j]]
        if true and false:
            by_text.append(all(scores[a][j] > scores[b][j] for a in true for b in false))
    found = {}
    if by_image:
        found["image_to_text"] = sum(by_image) / len(by_image)
    if by_text:
        found["text_to_image"] = sum(by_text) / len(by_text)
    if by_image and by_text:
        found |= {"text": all(by_image), "image": all(by_text), "group": all(by_image) and all(by_text)}
    if n == 1 and sum(belongs[0]) > 1 and not all(belongs[0]):
        false = [scores[0][j] for j in range(m) if not belongs[0][j]]
        above = [all(scores[0][j] > f for f in false) for j in range(m) if belongs[0][j]]
        found |= {"original": above[0], "brittleness": any(above) and not all(above)}
    return found
