"""Small photos with captions as shards of every form that can be streamed."""

import csv
import io
import json
import tarfile

from datasets import Dataset, Features, Image, Value

from hf_hardneg.scenes.world import scene_rows


def photos(number, seed="streams"):
    """`number` photos of 48 x 48 as {"image_id", "caption", "bytes"}, each of another scene."""
    found = []
    for row in scene_rows(seed, number):
        file = io.BytesIO()
        row["image"].save(file, "PNG")
        found.append({"image_id": row["image_id"], "caption": row["caption"], "bytes": file.getvalue()})
    return found


def cut(rows, sizes):
    """Cut a list into parts of these sizes."""
    parts, start = [], 0
    for size in sizes:
        parts.append(rows[start : start + size])
        start += size
    return parts


FEATURES = Features({"image": Image(decode=False), "image_id": Value("int64"), "caption": Value("string")})


def write_parquet(folder, rows, sizes):
    folder.mkdir()
    for i, part in enumerate(cut(rows, sizes)):
        images = [{"bytes": row["bytes"], "path": None} for row in part]
        table = {"image": images, **{name: [row[name] for row in part] for name in ("image_id", "caption")}}
        Dataset.from_dict(table, features=FEATURES).to_parquet(folder / f"train-{i:05}.parquet")
    return str(folder)


def write_tars(folder, rows, sizes, with_json=True, extra=()):
    """WebDataset archives; keys begin anew in each, as img2dataset makes them."""
    folder.mkdir()
    for i, part in enumerate(cut(rows, sizes)):
        with tarfile.open(folder / f"{i:03}.tar", "w") as archive:
            for key, row in enumerate(part):
                text = ("json", json.dumps({name: row[name] for name in ("caption", "image_id", *extra)}))
                for ending, content in (("png", row["bytes"]), text if with_json else ("txt", row["caption"])):
                    content = content if isinstance(content, bytes) else content.encode()
                    info = tarfile.TarInfo(f"{key:06}.{ending}")
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))
    return str(folder)


def _write_photos(folder, rows):
    (folder / "photos").mkdir(parents=True)
    named = []
    for row in rows:
        name = f"photos/{row['image_id']}.png"
        (folder / name).write_bytes(row["bytes"])
        named.append({"filepath": name, "image_id": row["image_id"], "caption": row["caption"]})
    return named


def write_jsonl(folder, rows, sizes):
    for i, part in enumerate(cut(_write_photos(folder, rows), sizes)):
        (folder / f"train-{i}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    return str(folder)


def write_csv(folder, rows, sizes):
    for i, part in enumerate(cut(_write_photos(folder, rows), sizes)):
        with (folder / f"train-{i}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, ["filepath", "image_id", "caption"])
            writer.writeheader()
            writer.writerows(part)
    return str(folder)


WRITERS = {"parquet": write_parquet, "tar": write_tars, "jsonl": write_jsonl, "csv": write_csv}
