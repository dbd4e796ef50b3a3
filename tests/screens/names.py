"""What the organisation of the pictures calls its things, in each language."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Names:
    """Of `folders` the second is restricted; of `speakers` the first two speak in the recording that is shown."""

    locale: str
    tenant: str
    owner: tuple[str, str]
    members: tuple[tuple[str, str, str], ...]
    invited: tuple[str, ...]
    folders: tuple[str, str, str]
    tags: tuple[str, str, str]
    speakers: tuple[str, str, str]
    terms: tuple[tuple[str, tuple[str, ...], str], ...]
    keys: tuple[str, str]
    place: str
    bucket: str
    rules: tuple[str, str]
    webhook: str
    view: str
    share: str
    comment: str
    reply: str
    hold: str
    plan: str
    announcement: str


ENGLISH = Names(
    locale="en-GB",
    tenant="Acme",
    owner=("Alice", "Archer"),
    members=(("bob@acme.example", "Bob", "viewer"), ("carol@acme.example", "Carol", "editor")),
    invited=("dave@acme.example", "erin@acme.example"),
    folders=("Meetings", "Interviews", "Lectures"),
    tags=("Board", "Press", "To publish"),
    speakers=("Jane", "Henry", "Margaret"),
    terms=(
        ("Gutenberg", ("Gutenburg", "Guttenberg"), "the printer"),
        ("Milton", ("Mill town",), "a town in the novel"),
        ("Acme", ("Akme", "Ackme"), ""),
    ),
    keys=("Newsroom’s import", "Telephone system"),
    place="Minutes on the server",
    bucket="Archive in the bucket",
    rules=("Meetings into their folder", "Calls are kept for a month"),
    webhook="Our intranet",
    view="Meetings of this week",
    share="For the editor",
    comment="Is this the place that we want to quote?",
    reply="Yes, up to the end of the paragraph.",
    hold="Asked for by the legal department",
    plan="Team",
    announcement="On Saturday the portal gets faster disks.",
)
CHINESE = Names(
    locale="zh-CN",
    tenant="晨光传媒",
    owner=("林晓雯", ""),
    members=(("zhouming@acme.example", "周明", "viewer"), ("chenlu@acme.example", "陈露", "editor")),
    invited=("wangfang@acme.example", "liujie@acme.example"),
    folders=("会议", "采访", "讲座"),
    tags=("董事会", "新闻稿", "待发布"),
    speakers=("玛格丽特", "亨利", "简"),
    terms=(
        ("Gutenberg", ("Gutenburg", "Guttenberg"), "印刷术发明者"),
        ("Milton", ("Mill town",), "小说里的地名"),
        ("晨光传媒", ("晨光传煤", "辰光传媒"), ""),
    ),
    keys=("新闻编辑部导入", "电话系统"),
    place="服务器上的会议纪要",
    bucket="存储桶里的归档",
    rules=("会议归入文件夹", "通话只保留一个月"),
    webhook="公司内网",
    view="本周会议",
    share="给编辑",
    comment="这里就是我们要引用的那一段吗？",
    reply="对，引用到这一段结束。",
    hold="应法务部要求",
    plan="团队版",
    announcement="本周六将更换更快的硬盘。",
)
NAMES = {"en": ENGLISH, "zh-hans": CHINESE}
