"""Each user's own tasks, under two families of routes."""

from app.http.openapi import Api
from app.tasks import views, views_by_user, views_of_lists


def init_app(api: Api) -> None:
    api.register_blueprint(views.blueprint)
    api.register_blueprint(views_of_lists.blueprint)
    api.register_blueprint(views_by_user.blueprint, parameters=[views_by_user.USER_ID])
