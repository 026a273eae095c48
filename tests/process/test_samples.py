"""The TypeScript in README.md and docs/authentication.md compiles under strict rules, with Better Auth's own types."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from textwrap import dedent

import pytest

from app.settings import PROJECT
from tests.npm import installed

MISSING = [program for program in ("node", "npm") if shutil.which(program) is None]
DOCUMENTS = ("README.md", "docs/authentication.md")
CONFIGURATION = {
    "compilerOptions": {
        "strict": True,
        "target": "es2022",
        "lib": ["es2022", "dom", "dom.iterable"],
        "module": "esnext",
        "moduleResolution": "bundler",
        "paths": {"@/*": ["./*"]},
        "types": [],
        "skipLibCheck": True,
        "noEmit": True,
    },
}
# What the samples take from Next.js, which would be three hundred packages more.
NEXT = """
declare module "next/headers" {
  export function headers(): Promise<Headers>;
}
declare const process: { env: Record<string, string | undefined> };
"""
CLIENT = 'import { authClient } from "@/lib/auth-client";\n'
# Without the look at what came back, the compiler has something to say: the types are not just any.
UNCHECKED = "const { data } = await authClient.token();\n// @ts-expect-error\nexport const token = data.token;\n"

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not on this machine: {' and '.join(MISSING)}")


def samples(document: str) -> list[str]:
    text = (PROJECT / document).read_text()
    return [dedent(block) for block in re.findall(r"^ *```ts\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)]


def test_every_sample_compiles(tmp_path: Path) -> None:
    """A sample that names its file stands there; any other one has the client of lib/auth-client.ts."""
    files = {"next.d.ts": NEXT, "unchecked.ts": CLIENT + UNCHECKED, "tsconfig.json": json.dumps(CONFIGURATION)}
    for document in DOCUMENTS:
        for number, sample in enumerate(samples(document)):
            named = re.match(r"// (\S+\.ts)\n", sample)
            files[named[1] if named else f"{document}.{number}.ts"] = sample if named else CLIENT + sample
    assert {"lib/auth.ts", "lib/auth-client.ts", "README.md.0.ts"} <= files.keys()
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "node_modules").symlink_to(installed(PROJECT / "tests/process/better_auth"))

    compiler = installed(PROJECT / "tests/contract/typescript") / ".bin" / "tsc"
    done = subprocess.run([compiler], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    assert (done.stdout, done.returncode) == ("", 0)
